"""The operators of labelling rounds: forms, effects, answers."""

from __future__ import annotations

import shutil
from pathlib import Path

import fiftyone_coreset as fc
import pytest
from fiftyone.operators.executor import ExecutionContext, Executor
from fiftyone_coreset.operators.rounds_form import labels_of_tags
from fiftyone_coreset.operators.select_next_batch import Params, SelectNextBatch
from fiftyone_coreset.plugin.progress import silence


def _tag_by_row(dataset, ids):
    """Tags images "cat" and "dog" in turn, by their place in the dataset."""
    place = {row_id: at for at, row_id in enumerate(dataset.values("id"))}
    for parity, name in enumerate(("cat", "dog")):
        dataset.select([row_id for row_id in ids if place[row_id] % 2 == parity]).tag_samples(name)


def test_the_loop_by_operators(execute, form, embedded):
    reserved = execute("reserve_test_images", embedded, size=6)
    assert reserved["message"].startswith("6 test images carry the tag 'test'")
    _tag_by_row(embedded, embedded.match_tags("test").values("id"))
    for number in (1, 2):
        asked = execute("select_next_batch", embedded, budget=5)
        assert (asked["round"], asked["selected"], asked["view"]) == (number, 5, f"rounds round {number}")
        assert asked["message"].startswith(f"Round {number}: 5 of ")
        _tag_by_row(embedded, embedded.load_saved_view(asked["view"]).values("id"))
        recorded = execute("record_labelling_round", embedded, tags="cat, dog", minutes=3)
        assert (recorded["round"], recorded["labelled"], recorded["labels"]) == (number, 5, 5 * number)
        assert "A curve is fitted from 4 rounds" in recorded["advice"]
    shown = execute("learning_curve", embedded, target=0.9)
    assert (shown["rounds"], shown["labels"]) == (2, [5, 10])
    assert [trace["name"] for trace in shown["plot"]] == ["rounds, ± SE", "target"]
    assert form("select_next_batch", embedded) == []

    info = execute("manage_coreset_runs", embedded, brain_key="rounds")["info"]
    assert "| 2 | uherding | 5 | 5 | 10 |" in info
    renamed = execute("manage_coreset_runs", embedded, action="rename", brain_key="rounds", new_name="pets")
    assert renamed["message"] == "Run 'rounds' is now 'pets'."
    gone = execute("manage_coreset_runs", embedded, action="delete", brain_key="pets", confirm=True)
    assert gone["views"] == ["pets round 1", "pets round 2"]
    assert "the saved views pets round 1, pets round 2" in gone["message"]
    assert not [name for name in embedded.get_field_schema() if name.startswith("pets_")]
    assert embedded.count("ground_truth") == 16


def test_a_second_click_makes_no_second_batch(execute, embedded):
    from fiftyone.operators.executor import ExecutionError

    execute("select_next_batch", embedded, budget=5)
    with pytest.raises(ExecutionError, match="round 1 of 'rounds' is open: 5 of its 5 images have no label"):
        execute("select_next_batch", embedded, budget=5)
    assert len(fc.load_rounds(embedded)) == 1


def test_forms_say_what_is_missing(form, embedded):
    for operator in ("record_labelling_round", "learning_curve"):
        assert form(operator, embedded) == ["This dataset has no labelling rounds yet. Run 'Select next batch' first."]
    assert form("reserve_test_images", embedded, size=0) == ["'Test images' must be at least 1, got 0"]
    assert form("select_next_batch", embedded, budget=0) == ["'Images to label' must be at least 1, got 0"]
    fc.next_batch(embedded, 3, progress=False)
    assert form("record_labelling_round", embedded, measure="typed") == [
        "'A number that I type' is chosen, but not which"
    ]
    assert form("record_labelling_round", embedded, tags="cat=") == [
        "tags that are labels are written 'tag' or 'tag = label', got 'cat='"
    ]


@pytest.fixture
def annotation(pytestconfig):
    """A folder as that of FiftyOne's plugin for annotation."""
    folder = Path(pytestconfig.fiftyone_home) / "plugins" / "annotation"
    folder.mkdir(parents=True)
    (folder / "fiftyone.yml").write_text("name: '@voxel51/annotation'\noperators:\n  - request_annotations\n")
    yield
    shutil.rmtree(folder)


def _offered(shown, dataset):
    return [view["label"] for view in shown("View", "select_next_batch", dataset) if "tool" in view["label"]]


def test_the_form_that_sends_for_labelling_opens_with_the_batch(shown, embedded, annotation):
    assert _offered(shown, embedded) == ["Then open the form that sends them to a tool for labelling"]
    for number, ticked in ((1, {"annotate": True, "preview": True}), (1, {"annotate": True}), (2, {"force": True})):
        ctx = ExecutionContext({"dataset_name": embedded.name, "params": {"budget": 5} | ticked}, Executor())
        answer = SelectNextBatch().work(ctx, Params(budget=5, **ticked), silence)
        assert answer.facts["round"] == number
        opens = any("'@voxel51/annotation/request_annotations'" in str(step.to_json()) for step in answer.steps)
        assert opens == ("annotate" in ticked and "preview" not in ticked)


def test_without_that_plugin_it_is_not_offered(shown, embedded):
    assert _offered(shown, embedded) == []


@pytest.mark.parametrize(
    ("typed", "labels"),
    [
        (None, None),
        (" , ", None),
        ("cat", {"cat": "cat"}),
        ("cat, canine = dog\nbird", {"cat": "cat", "canine": "dog", "bird": "bird"}),
    ],
)
def test_tags_that_are_labels(typed, labels):
    assert labels_of_tags(typed) == labels


def test_one_of_two_open_rounds_is_recorded(execute, form, embedded):
    from fiftyone.operators.executor import ExecutionError

    first, second = (fc.next_batch(embedded, 5, force=True, progress=False) for _ in range(2))
    assert form("record_labelling_round", embedded) == []
    for batch in (first, second):
        _tag_by_row(embedded, batch.ids)
    with pytest.raises(ExecutionError, match="say with number= which one"):
        execute("record_labelling_round", embedded, tags="cat, dog")
    assert execute("record_labelling_round", embedded, number=1)["round"] == 1
