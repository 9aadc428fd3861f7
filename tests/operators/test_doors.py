"""Doors: whatever a browser, an agent or a script sends is parsed, or refused by one sentence of ours."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import textwrap

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone.operators.executor import ExecutionContext, Executor
from fiftyone_coreset import operators
from fiftyone_coreset.operators import compute_coreset_scores
from fiftyone_coreset.operators import operator as operator_module
from fiftyone_coreset.panels import coreset as panel
from fiftyone_coreset.panels import events
from fiftyone_coreset.plugin.diagnostics.tables import escaped
from fiftyone_coreset.plugin.door import read
from fiftyone_coreset.plugin.request import check_stages, check_view, target_view
from fiftyone_coreset.plugin.selection import method as method_module
from fiftyone_coreset.plugin.selection import registry
from fiftyone_coreset.plugin.selection.budget import parse_size
from fiftyone_coreset.plugin.selection.method import Option
from fiftyone_coreset.plugin.selection.pool import Picks
from fuzz import EXAMPLES, QUIET, junk
from hypothesis import given, settings
from hypothesis import strategies as st


class Collected(list):
    """Stands for FiftyOne's plugin context."""

    def register(self, kind):
        self.append(kind)


def registered():
    found = Collected()
    operators.register(found)
    return {kind.name: kind for kind in found}


OPERATORS = registered()
DOORS = {name: kind.params for name, kind in OPERATORS.items()} | events.EVENTS


def values_for(kind):
    return st.dictionaries(st.sampled_from([*kind.model_fields, "other"]), junk, max_size=6) | junk


def context(dataset, params, **request):
    request = {"dataset_name": dataset.name if dataset else None, "params": params, "view": [], **request}
    return ExecutionContext(request_params=request, executor=Executor())


@pytest.mark.parametrize("name", sorted(DOORS))
def test_anything_is_parsed_or_refused_in_a_sentence(name):
    kind = DOORS[name]

    @settings(max_examples=EXAMPLES, **QUIET)
    @given(values_for(kind))
    def check(values):
        params, problem = read(kind, values)
        assert isinstance(params, kind)
        assert problem is None or (problem and "\n" not in problem)

    check()


@pytest.fixture(scope="module")
def ranked(mongod):
    """A dataset with a run, for tests that change nothing."""
    made = fo.Dataset()
    made.add_samples([fo.Sample(filepath=f"/nowhere/{row:04d}.png") for row in range(30)], progress=False)
    made.set_values("clip_embeddings", list(np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)))
    fc.compute_coreset(made, brain_key="cs", method="random", projection=None, progress=False)
    yield made
    made.delete()


@pytest.mark.parametrize("name", sorted(name for name, kind in OPERATORS.items() if kind.params.model_fields))
def test_a_form_answers_anything(name, ranked):
    operator = OPERATORS[name]()

    @settings(max_examples=max(15, EXAMPLES // 20), **QUIET)
    @given(st.dictionaries(st.sampled_from([*operator.params.model_fields]), junk, max_size=6))
    def check(values):
        assert operator.resolve_input(context(ranked, values)).type.properties

    check()


def _names(dataset):
    """The fields, runs and saved views of a dataset."""
    return list(dataset.get_field_schema(flat=True)), dataset.list_brain_runs(), dataset.list_saved_views()


@pytest.mark.parametrize("name", sorted(events.EVENTS))
def test_an_event_answers_anything(name, ranked):
    before = _names(ranked)
    event = getattr(panel.CoresetPanel(), name)
    for params in ({}, {"key": "cs"}, {"key": 5, "k": "a"}, {"key": "cs", "k": True, "row": -1, "polygon": [[1]]}):
        if name in ("load_runs", "leave_region", "run_scores", "compute_embeddings"):
            continue  # they take no parameters
        assert event(context(ranked, params))["error"]
    assert event(context(None, {}))["error"] == "Open a dataset first."
    ranked.reload()
    assert _names(ranked) == before


STAGE = {"_cls": "os.system", "kwargs": [["command", "true"]]}


@pytest.mark.parametrize(
    "request_",
    [
        {"view": [STAGE]},
        {"extended": {"os.system": {}}},
        {"view": [{"_cls": "fiftyone.core.stages.Concat", "kwargs": [["samples", {"view": [STAGE]}]]}]},
        {"view": [{"_cls": "fiftyone.core.stages.fol.Label", "kwargs": []}]},
    ],
)
def test_stages_are_fiftyones_own(request_, embedded, monkeypatch):
    monkeypatch.setattr(os, "system", lambda command: pytest.fail("a class of the request was called"))
    ctx = context(embedded, {}, **request_)
    with pytest.raises(fc.CoresetError, match="is no view stage of FiftyOne"):
        check_view(ctx)
    form = OPERATORS["compute_coreset_scores"]().resolve_input(ctx).type.properties
    assert "is no view stage of FiftyOne" in form["refused"].error_message
    assert "is no view stage of FiftyOne" in panel.CoresetPanel().load_runs(ctx)["error"]


def test_views_of_fiftyone_pass_and_broken_ones_are_told(embedded):
    stages = embedded.exists("clip_embeddings").limit(4)._serialize()
    check_stages(stages)
    assert len(target_view(context(embedded, {}, view=stages))) == 4
    broken = [{"_cls": "fiftyone.core.stages.Limit", "kwargs": [["nope", 3]]}]
    with pytest.raises(fc.CoresetError, match="the view cannot be read"):
        target_view(context(embedded, {}, view=broken))


def test_names_are_shown_as_text():
    assert escaped("![p](http://evil/p.png)") == r"\!\[p\](http://evil/p.png)"
    assert escaped("a|b\nc") == r"a\|b c"


def test_an_operator_is_one_file(tmp_path, embedded, monkeypatch):
    """The example in the documentation of operators, written as a file, is registered and works."""
    example = textwrap.dedent(inspect.getdoc(operator_module).split("::\n", 1)[1].split("\nThe declaration", 1)[0])
    head = (
        "import fiftyone.operators.types as types\nfrom pydantic import Field\n"
        "from fiftyone_coreset.plugin.door import Parameters\n"
        "from fiftyone_coreset.operators.operator import Answer, CoresetOperator\n"
        "from fiftyone_coreset.plugin.request import dataset_of\n"
    )
    (tmp_path / "count_images.py").write_text(head + example)
    monkeypatch.setattr(operators, "__path__", [*operators.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    try:
        counts = registered()["count_images"]()
    finally:
        sys.modules.pop("fiftyone_coreset.operators.count_images", None)
    assert counts.execute(context(embedded, {"at_most": 7})) == {"message": "There are 7 images.", "images": 7}
    assert (
        "'At most' must be at least 1"
        in counts.resolve_input(context(embedded, {"at_most": 0})).type.properties["refused"].error_message
    )


def test_an_option_of_a_method_needs_no_line_in_a_form(embedded, monkeypatch):
    """A method that is registered with options has them in the form, at the door and in what it is called with."""
    asked = {}

    def chosen(pool, k, mood="calm", draws=7, sizes=None):
        asked.update(mood=mood, draws=draws, sizes=sizes)
        return Picks(np.flatnonzero(pool.candidates)[:k])

    registry.get_method("auto")  # loads the methods of the library before one more is registered
    monkeypatch.setattr(method_module, "METHODS", registered_methods := dict(method_module.METHODS))
    monkeypatch.setattr(registry, "METHODS", registered_methods)
    moods = {"calm": "Calm", "wild": "Wild"}
    options = {
        "mood": Option("Its mood", moods),
        "draws": Option("Its draws", at_most=9, advanced=True, unless="sizes"),
        "sizes": Option("Its sizes", reads=parse_size),
    }
    method_module.register("moody", "As its mood is", options=options)(chosen)

    class Scores(compute_coreset_scores.ComputeCoresetScores):
        params = compute_coreset_scores.params_of_all_methods()

    def form(**params):
        return Scores().resolve_input(context(embedded, {"method": "moody", **params})).type.properties

    assert form()["mood"].type.values == ["calm", "wild"]
    assert (form()["mood"].view.label, form()["mood"].default) == ("Its mood", "calm")
    assert "draws" not in form()
    assert form(advanced=True)["draws"].default == 7
    assert form(mood="sad")["refused"].error_message == "'Its mood' must be one of 'calm' or 'wild', got 'sad'"
    assert form(draws=10)["refused"].error_message == "'Its draws' must be at most 9, got 10"
    assert "mood" in inspect.signature(Scores.__call__).parameters
    Scores().execute(context(embedded, {"method": "moody", "mood": "wild", "projection": "none"}))
    assert asked == {"mood": "wild", "draws": 7, "sizes": None}
    assert "draws" not in form(advanced=True, sizes="5")
    assert "'saturation' depends on a ranking" in form(sizes="5, saturation")["refused"].error_message
    given = {"method": "moody", "draws": 3, "sizes": "10%, 5", "overwrite": True, "projection": "none"}
    Scores().execute(context(embedded, given))
    assert asked == {"mood": "calm", "draws": 7, "sizes": [0.1, 5]}
