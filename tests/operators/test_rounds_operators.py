"""The operators of labelling rounds: forms, effects, answers."""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path
from pkgutil import resolve_name

import fiftyone_coreset as fc
import pytest
from fiftyone.operators.executor import ExecutionContext, Executor
from fiftyone_coreset.operators import learning_curve, record_labelling_round, reserve_test_images, select_next_batch
from fiftyone_coreset.operators.rounds_form import labels_of_tags
from fiftyone_coreset.operators.select_next_batch import Params, SelectNextBatch
from fiftyone_coreset.plugin.errors import CoresetError
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


def test_the_form_says_what_there_is_to_choose_from(shown, embedded):
    import fiftyone as fo

    ids = embedded.values("id")
    _classify(embedded, ids[:9])
    embedded.set_values("ground_truth", {ids[5]: fo.Classification(label="hen")}, key_field="id")
    embedded.select(ids[5:8]).tag_samples("test")
    embedded.select(ids[9:11]).tag_samples("away")
    predicted = [fo.Classification(label="cat", confidence=0.5) if row < 20 else None for row in range(30)]
    embedded.set_values("pred", predicted)
    (said,) = shown("Notice", "select_next_batch", embedded, skip="away", predictions="pred")
    assert said["label"] == (
        "6 of 27 images have a label, in 2 classes; 3 more are test images; 19 to choose from, "
        "predictions for 9 of them"
    )
    for texts, share in (("cat, dog, owl", "2 of 3"), ("owl, emu", "2 of 4"), (None, "2 of 5")):
        embedded.classes = {"ground_truth": ["cat", "dog", "owl", "emu", "yak"]}
        (said,) = shown("Notice", "select_next_batch", embedded, predictions="class texts", classes=texts)
        assert f"in {share} classes" in said["label"], "a label counts, whoever names it; test images teach none"


#: What is typed into the form of an operator, and what the library's function is called with.
REACHES = {
    "reserve_test_images": [
        ({"size": 7}, {"size": 7}),
        ({"tag": "held"}, {"tag": "held"}),
        ({"by": "camera"}, {"by": "camera"}),
        ({"seed": 3}, {"seed": 3}),
        ({"rows": "boxes"}, {"samples": "boxes"}),
    ],
    "select_next_batch": [
        ({}, {"method": None, "predictions": "head", "pool": "all", "cost": None, "skip": ["skip", "off_topic"]}),
        ({"rows": "boxes", "embeddings": ["vector"]}, {"samples": "boxes"}),
        ({"embeddings": ["other"]}, {"embeddings": ["other"]}),
        ({"label_field": "kind"}, {"label_field": "kind"}),
        ({"predictions": "pred"}, {"predictions": "pred"}),
        ({"predictions": "class texts", "classes": "cat, dog\nowl"}, {"classes": ["cat", "dog", "owl"]}),
        ({"predictions": "head", "classes": "cat"}, {"classes": None}),
        ({"budget": 7}, {"budget": 7}),
        ({"method": "badge"}, {"method": "badge"}),
        ({"brain_key": "pets"}, {"brain_key": "pets"}),
        ({"test": "held"}, {"test": "held"}),
        ({"skip": " away ,, blurred"}, {"skip": ["away", "blurred"]}),
        ({"cost": "minutes"}, {"cost": "minutes"}),
        ({"random_share": 0.25}, {"random_share": 0.25}),
        ({"blind": 0.25}, {"blind": 0.25}),
        ({"target_class": "owl"}, {"method": "seek", "method_kwargs": {"target_class": "owl"}}),
        ({"anchors": True}, {"pool": "anchors"}),
        ({"balance": True}, {"balance": True}),
        ({"preview": True}, {"preview": True}),
        ({"ask_again": True}, {"ask_again": True}),
        ({"exclude_test_copies": True}, {"exclude_test_copies": True}),
        ({"force": True}, {"force": True}),
        ({"seed": 3}, {"seed": 3}),
    ],
    "record_labelling_round": [
        ({}, {"brain_key": "rounds", "number": None}),
        ({"brain_key": "rounds"}, {"brain_key": "rounds"}),
        ({"number": 1}, {"number": 1}),
        ({"minutes": 12.5}, {"minutes": 12.5}),
        ({"tags": "cat, canine = dog"}, {"labels_from_tags": {"cat": "cat", "canine": "dog"}}),
        ({"measure": "predictions", "predictions": "pred"}, {"predictions": "pred"}),
        ({"measure": "evaluation", "eval_key": "ev"}, {"eval_key": "ev"}),
        ({"measure": "typed", "metric": "mAP", "value": 0.4}, {"metrics": {"mAP": 0.4}}),
    ],
    "learning_curve": [
        ({}, {"metric": None, "target": None, "cost_per_label": None}),
        ({"brain_key": "rounds"}, {"metric": None}),
        ({"metric": "coverage"}, {"metric": "coverage"}),
        ({"target": 0.9}, {"target": 0.9}),
        ({"cost_per_label": 0.1}, {"cost_per_label": 0.1}),
        ({"value_per_point": 20.0}, {"value_per_point": 20.0}),
    ],
}  # fmt: skip

FORMS = {
    "reserve_test_images": reserve_test_images,
    "select_next_batch": select_next_batch,
    "record_labelling_round": record_labelling_round,
    "learning_curve": learning_curve,
}

#: What only concerns the form or what the App does next.
OF_THE_FORM = {"advanced", "annotate"}

CALLED = {
    "reserve_test_images": "fiftyone_coreset.operators.reserve_test_images.reserve_test",
    "select_next_batch": "fiftyone_coreset.operators.select_next_batch.next_batch",
    "record_labelling_round": "fiftyone_coreset.operators.record_labelling_round.record_round",
    "learning_curve": "fiftyone_coreset.plugin.rounds.campaign.RoundsResults.advice",
}


@pytest.mark.parametrize("operator", sorted(REACHES))
def test_every_field_of_the_forms_reaches_the_call(execute, embedded, monkeypatch, operator):
    import fiftyone as fo
    from fiftyone.operators.executor import ExecutionError

    embedded.set_values("other", embedded.values("clip_embeddings"))
    embedded.set_values("boxes", [fo.Detections(detections=[fo.Detection(vector=[0.0, 1.0])]) for _ in range(30)])
    embedded.add_dynamic_sample_fields()
    fc.next_batch(embedded, 3, progress=False)
    _classify(embedded, fc.load_rounds(embedded).view(1).values("id"))
    fc.record_round(embedded, progress=False)
    path = CALLED[operator]
    owner, name = path.rsplit(".", 1)
    original = resolve_name(owner.replace(".RoundsResults", ":RoundsResults"))
    signature, calls = inspect.signature(getattr(original, name)), []

    def spy(*args, **kwargs):
        calls.append(signature.bind(*args, **kwargs))
        raise CoresetError("reached")

    monkeypatch.setattr(path, spy)
    monkeypatch.setattr("fiftyone_coreset.plugin.rounds.campaign.RoundsResults.curve", lambda *_: None)
    seen = set()
    for typed, expected in REACHES[operator]:
        with pytest.raises(ExecutionError, match="reached"):
            execute(operator, embedded, **typed)
        calls[-1].apply_defaults()
        found = calls[-1].arguments
        found = (
            {**found, "samples": getattr(found.get("samples"), "patches_field", None)} if "samples" in found else found
        )
        assert {argument: found[argument] for argument in expected} == expected, typed
        seen |= set(typed)
    assert seen | OF_THE_FORM >= set(FORMS[operator].Params.model_fields), "a field that nobody has tried"


def _classify(dataset, ids):
    """Labels images "cat" and "dog" in turn."""
    import fiftyone as fo

    labels = {row_id: fo.Classification(label=("cat", "dog")[place % 2]) for place, row_id in enumerate(ids)}
    dataset.set_values("ground_truth", labels, key_field="id")


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
