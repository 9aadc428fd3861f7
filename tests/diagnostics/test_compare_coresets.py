"""Comparing what a dataset holds: runs, views, tags and fields become rows, and rows become views again."""

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone_coreset.plugin.runs.compare import compare_coresets


@pytest.fixture
def marked(dataset):
    """Forty images in two classes with embeddings, one run, a saved view, a tag and a boolean field."""
    made = dataset([f"image-{i}.png" for i in range(40)])
    rng = np.random.default_rng(0)
    X = 3 * np.eye(2, 6).repeat(20, axis=0) + rng.normal(size=(40, 6))
    made.set_values("clip_embeddings", list(X))
    made.set_values("label", ["cat"] * 20 + ["dog"] * 20)
    made.set_values("chosen", [i % 4 == 0 for i in range(40)])
    made[:5].tag_samples("first")
    made.save_view("last", made[30:])
    fc.compute_coreset(made, brain_key="run", method="random", label_field="label", projection=None, progress=False)
    return made


def test_everything_a_dataset_holds_can_be_compared(marked):
    found = compare_coresets(marked, [("run", 8), "last", "first", "chosen", marked[2:7]], progress=False)
    ids = np.array(marked.values("id"))
    assert found.names == ["run 8", "last", "first", "chosen", "view 5"]
    kept = {name: set(found.ids[rows]) for name, rows in found.selected.items()}
    assert kept["run 8"] == set(fc.load_run(marked, "run").view(8).values("id"))
    assert kept["last"] == set(ids[30:])
    assert kept["first"] == set(ids[:5])
    assert kept["chosen"] == set(ids[::4])
    assert kept["view 5"] == set(ids[2:7])


def test_rows_become_views(marked):
    found = compare_coresets(marked, {"a": marked[:6], "b": marked[4:9]}, embeddings="clip_embeddings", progress=False)
    ids = marked.values("id")
    assert set(found.only_view("a").values("id")) == set(ids[:4])
    assert set(found.dropped_view("a").values("id")) == set(ids[6:9])
    assert set(found.shared_view().values("id")) == set(ids[4:6])


def test_the_runs_label_field_shows_class_drift(marked):
    found = compare_coresets(marked, ["run", "first"], budget=0.25, progress=False)
    assert len(found.selected["run"]) == 10
    assert found.reports["first"].classes.lost == ["dog"]
    without_run = compare_coresets(
        marked, ["first", "last"], embeddings="clip_embeddings", label_field="label", progress=False
    )
    assert without_run.reports["last"].classes.lost == ["cat"]


def test_runs_without_a_budget_are_compared_at_a_tenth(marked):
    found = compare_coresets(marked, ["run", "last"], progress=False)
    assert set(found.ids[found.selected["run"]]) == set(fc.load_run(marked, "run").view("10%").values("id"))


def test_two_budgets_of_one_run_are_nested(marked):
    found = compare_coresets(marked, [("run", 5), ("run", 10)], progress=False)
    assert found.overlap[0, 1] == 1
    assert found.overlap[1, 0] == 0.5
    assert len(found.only("run 5")) == 0


def test_samples_without_embedding_are_left_out_and_said_so(marked, caplog):
    first = marked.first()
    first["clip_embeddings"] = None
    first.save()
    found = compare_coresets(marked, ["first", "last"], embeddings="clip_embeddings", progress=False)
    assert len(found.selected["first"]) == 4
    assert "'first': left out 1 of 5" in caplog.text


@pytest.mark.parametrize(
    ("coresets", "arguments", "message"),
    [
        (["run"], {"budget": 5}, "at least two"),
        ("run", {}, "at least two"),
        (["first", "last"], {}, "pass embeddings="),
        (["first", "nothing"], {}, "'nothing' is no coreset run \\(runs: 'run'\\)"),
        (["first", "first"], {}, "'first' is given more than once"),
        (["first", 3], {}, "cannot compare 3"),
    ],
)
def test_refusals_name_the_remedy(marked, coresets, arguments, message):
    with pytest.raises(fc.CoresetError, match=message):
        compare_coresets(marked, coresets, progress=False, **arguments)


def test_objects_are_compared_by_label_id(dataset):
    made = dataset(["a.png", "b.png"])
    rng = np.random.default_rng(1)
    for sample in made:
        sample["things"] = fo.Detections(
            detections=[fo.Detection(label="x", bounding_box=[0, 0, 1, 1], vector=rng.normal(size=4)) for _ in range(6)]
        )
        sample.save()
    made.add_sample_field("things.detections.vector", fo.VectorField)
    patches = made.to_patches("things")
    found = compare_coresets(patches, {"a": patches[:4], "b": patches[2:8]}, embeddings="vector", progress=False)
    assert found.n == 12
    assert found.only_view("a").values("id") == patches.values("id")[:2]
