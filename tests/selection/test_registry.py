"""The registry: what is listed, what is refused, and that listing costs nothing."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.selection.method import Selection
from fiftyone_coreset.plugin.selection.registry import get_method, list_methods


def test_every_method_of_the_field_is_there():
    expected = {
        *("auto", "random", "stratified", "zcore", "zcore_balanced", "kcenter", "herding", "facility_location"),
        *("kmedoids", "typiclust", "probcover", "maxherding", "ccs", "d2", "semdedup", "density", "prototypicality"),
        "target_match",
    }
    methods = list_methods()
    assert expected <= set(methods)
    assert list(methods) == sorted(methods)
    assert all(20 < len(line) < 120 and "\n" not in line for line in methods.values())


def test_listing_imports_nothing_heavy():
    code = (
        "import sys; from fiftyone_coreset.plugin.selection.registry import list_methods; list_methods();"
        "heavy = ('numba', 'sklearn', 'torch', 'fiftyone', 'umap', 'pynndescent');"
        "print([name for name in heavy if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


def test_an_unknown_method_names_the_known_ones():
    with pytest.raises(CoresetError, match=r"no selection method 'zcroe'; did you mean 'zcore'\? All: affinity, "):
        get_method("zcroe")
    with pytest.raises(CoresetError, match=r"no selection method '1234'; choose one of affinity, auto, "):
        get_method("1234")


def test_few_methods_need_an_argument():
    assert {name: get_method(name).required for name in list_methods() if get_method(name).required} == {
        "by_field": ["score"],
        "seek": ["target_class"],
        "similar": ["exemplars"],
        "target_match": ["target"],
    }


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ("uherding", "method 'uherding' needs predictions; pass predictions=, or head= of fit_head()"),
        ("by_field", "method 'by_field' needs score="),
    ],
)
def test_what_a_method_needs_is_asked_for(method, says):
    with pytest.raises(CoresetError) as error:
        get_method(method).select(np.random.default_rng(0).normal(size=(50, 4)), 5)
    assert says in str(error.value)


def test_every_method_has_a_row_in_the_docs():
    page = (Path(__file__).resolve().parents[2] / "docs" / "methods.md").read_text()
    assert [name for name in list_methods() if f"\n| `{name}`" not in page.split("## The methods")[1]] == []


def test_a_selection_says_what_was_set_aside():
    X = np.random.default_rng(0).normal(size=(50, 4))
    X[3] = np.nan
    selection = get_method("random").select(X, 10, excluded=[1, 2], outlier_guard=0.1)
    assert isinstance(selection, Selection)
    assert selection.method == "random"
    assert selection.details["candidates"] == 47
    assert selection.details["without_embedding"] == 1
    assert len(selection.set_aside) == selection.details["set_aside"] == 4


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"preselected": [50]}, "must lie in 0..49"),
        ({"preselected": [1, 1]}, "more than once"),
        ({"preselected": [0.5]}, "row indices"),
        ({"excluded": np.ones(3, bool)}, "one entry for each of the 50 rows"),
        ({"excluded": np.ones(50, bool)}, "none of the 50 rows can be selected"),
        ({"weights": [1.0] * 49}, "one number per row"),
        ({"weights": [-1.0] * 50}, "50 are not"),
        ({"groups": ["a"] * 49}, "49 entries but there are 50 rows"),
        ({"quota": "sqrt"}, "need groups="),
        ({"outlier_guard": 0.7}, "outlier_guard must be a share"),
    ],
)
def test_bad_arguments_are_named(options, says):
    with pytest.raises(CoresetError) as error:
        get_method("random").select(np.random.default_rng(0).normal(size=(50, 4)), 5, **options)
    assert says in str(error.value)


def test_a_seed_set_may_hold_rows_without_an_embedding():
    X = np.random.default_rng(0).normal(size=(20, 4))
    X[[4, 9]] = np.nan
    selection = get_method("kcenter").select(X, 19, preselected=[9, 0])
    assert selection.indices[:2].tolist() == [9, 0]
    assert set(selection.indices) == set(range(20)) - {4}
