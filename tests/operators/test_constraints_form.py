"""What a ranking has to obey, as the scores form asks: the same as in Python, and refused in the form's words."""

from __future__ import annotations

import fiftyone_coreset as fc
import numpy as np
import pytest

QUICK = {"method": "random", "projection": "none"}


@pytest.fixture
def sorted_out(embedded):
    """The embedded dataset with two tags, a saved view, a field of groups and one of numbers."""
    embedded.limit(4).tag_samples("labelled")
    embedded.save_view("broken", embedded.skip(25))
    embedded.set_values("site", ["a"] * 25 + ["b"] * 5)
    embedded.set_values("worth", list(np.linspace(0.1, 3, 30)))
    return embedded


def test_the_form_constrains_as_python_does(execute, sorted_out):
    answer = execute(
        "compute_coreset_scores", sorted_out, preselected="labelled", excluded="broken", weights="worth",
        deduplicate=True, outlier_percent=10, **QUICK,
    )  # fmt: skip
    expected = fc.compute_coreset(
        sorted_out, brain_key="sdk", method="random", projection=None, preselected="labelled",
        excluded=sorted_out.skip(25), weights="worth", deduplicate=True, outlier_guard=0.1, progress=False,
    )  # fmt: skip
    assert answer["ranked"] == len(expected) == 25
    assert sorted_out.values("coreset_rank") == sorted_out.values("sdk_rank")
    assert set(sorted_out.match({"coreset_rank": {"$lt": 4}}).values("id")) == set(sorted_out.limit(4).values("id"))


def test_shares_of_groups(execute, sorted_out):
    execute("compute_coreset_scores", sorted_out, groups="site", quota="uniform", min_per_group=2, **QUICK)
    first = fc.load_run(sorted_out, "coreset").view(10)
    assert sorted(first.values("site")) == ["a"] * 5 + ["b"] * 5


def test_a_target_is_a_saved_view(execute, form, sorted_out):
    arguments = {"method": "target_match", "projection": "none"}
    assert form("compute_coreset_scores", sorted_out, **arguments) == [
        "method 'target_match' needs a target; choose a saved view of images as they will be met"
    ]
    execute("compute_coreset_scores", sorted_out, target="broken", **arguments)
    expected = fc.compute_coreset(
        sorted_out, brain_key="sdk", method="target_match", projection=None, target=sorted_out.skip(25), progress=False
    )
    assert sorted_out.values("coreset_rank") == sorted_out.values("sdk_rank")
    assert len(expected) == 30


@pytest.mark.parametrize(
    ("arguments", "notice"),
    [
        ({"preselected": "lablled"}, "'Always keep': 'lablled' is not a tag, a boolean field or a saved view of this"),
        ({"excluded": "worth"}, "'Never keep': 'worth' is not a tag, a boolean field or a saved view of this dataset"),
        ({"groups": "nope"}, "'Balance by': this dataset has no field 'nope'"),
        ({"weights": "nope"}, "'Importance': this dataset has no field 'nope'"),
        ({"outlier_percent": 51}, "'Outliers to rank last, in percent' must be at most 50, got 51"),
        ({"min_per_group": 3}, "'At least of each' needs a field to balance by"),
        ({"quota": "fair"}, "'Shares' must be one of 'proportional', 'sqrt' or 'uniform', got 'fair'"),
        ({"method": "by_field"}, "'Ranked by' is missing; choose a field"),
        ({"method": "by_field", "score": "nope"}, "'Ranked by': this dataset has no field 'nope'"),
        ({"method": "target_match", "target": "gone"}, "'Target' must be a saved view of this dataset"),
    ],
)
def test_what_does_not_exist_is_refused_before_anything_is_read(form, sorted_out, arguments, notice):
    (shown,) = form("compute_coreset_scores", sorted_out, constrained=True, **(QUICK | arguments))
    assert shown.startswith(notice)


def test_the_form_says_what_it_is_expected_to_take(shown, sorted_out):
    labels = [notice["label"] for notice in shown("Notice", "compute_coreset_scores", sorted_out)]
    assert labels == ["Ranking 30 is expected to take less than a second"]
