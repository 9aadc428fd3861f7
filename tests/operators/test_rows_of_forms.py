"""Forms on frames, groups and objects: what can be named in Python can be named there."""

from __future__ import annotations

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest

QUICK = {"method": "random", "projection": "none"}


@pytest.fixture
def videos(dataset):
    """Three videos of ten frames with embeddings."""
    made, rng = dataset(), np.random.default_rng(0)
    made.persistent = True
    for name in "abc":
        video = fo.Sample(f"/nowhere/{name}.mp4")
        for number in range(1, 11):
            label = fo.Classification(label="day" if number % 2 else "night")
            vector = rng.normal(size=64).astype(np.float32)
            video.frames[number] = fo.Frame(filepath=f"/nowhere/{name}{number}.jpg", emb=vector, light=label)
        made.add_sample(video)
    return made


@pytest.fixture
def cameras(dataset):
    """Twelve groups of two cameras."""
    made, rng = dataset(), np.random.default_rng(0)
    made.persistent = True
    made.add_group_field("group", default="left")
    for number in range(12):
        group = fo.Group()
        for name in ("left", "right"):
            made.add_sample(fo.Sample(f"/nowhere/{name}{number}", group=group.element(name), emb=rng.normal(size=4)))
    return made


@pytest.fixture
def scenes(dataset):
    """Twenty images with two objects each, of one label or two; the objects have vectors, also where undeclared."""
    made, rng = dataset([f"/nowhere/{row}.png" for row in range(20)]), np.random.default_rng(0)
    made.persistent = True
    made.set_values("listed", rng.normal(size=(20, 6)).tolist())
    found = [[fo.Detection(label="car"), fo.Detection(label="car" if row % 4 else "bus")] for row in range(20)]
    made.set_values("objects", [fo.Detections(detections=boxes) for boxes in found])
    made._sample_collection.update_many(
        {}, {"$set": {"objects.detections.0.emb": [1.0, 2.0, 3.0], "objects.detections.1.emb": [3.0, 1.0, 0.5]}}
    )
    return made


def labels_of(shown, *arguments, kind="Notice", **params):
    return [view["label"] for view in shown(kind, *arguments, **params)]


def choices(shown, label, *arguments, **params):
    (view,) = [view for view in shown("AutocompleteView", *arguments, **params) if view["label"] == label]
    return [choice["name"] if choice["name"] != "Choice" else choice["label"] for choice in view["choices"]]


def test_frames_are_counted_balanced_and_split(execute, form, shown, videos):
    (cost,) = labels_of(shown, "compute_coreset_scores", videos, method="random")
    assert cost.startswith("Ranking 30 ")
    offered = choices(shown, "Balance by", "compute_coreset_scores", videos, constrained=True)
    assert offered == ["sample_id", "light"]
    execute("compute_coreset_scores", videos, groups="sample_id", quota="uniform", **QUICK)
    kept = fc.load_run(videos, "coreset").view(9).values("sample_id")
    assert sorted(map(kept.count, set(kept))) == [3, 3, 3]
    (notice,) = form("compute_coreset_scores", videos, groups="nope", constrained=True, brain_key="x")
    assert notice == "'Balance by': this dataset has no field 'frames.nope'"
    (notice,) = form("split_by_coverage", videos)
    assert notice.startswith("FiftyOne keeps no tags of frames")
    execute("split_by_coverage", videos, groups="sample_id", tag=False, field="part", train=34, val=33, test=33)
    assert sorted(len(set(parts)) for parts in videos.values("frames.part")) == [1, 1, 1]


def test_slices_of_groups_are_balanced(execute, shown, cameras):
    offered = choices(shown, "Embeddings field", "compute_coreset_scores", cameras)
    assert offered == ["emb", "left.emb", "right.emb"]
    answer = execute("compute_coreset_scores", cameras, embeddings="left.emb, right.emb", **QUICK)
    assert answer["ranked"] == 12
    assert fc.load_run(cameras, "coreset").embeddings().shape == (12, 8)


def test_lists_and_undeclared_attributes_are_embeddings(execute, form, shown, scenes):
    assert form("compute_coreset_scores", scenes, **QUICK) == []
    (cost,) = labels_of(shown, "compute_coreset_scores", scenes, method="random")
    assert cost.startswith("Ranking 20 ")
    assert not scenes.has_field("objects.detections.emb")
    assert "bounding_box" not in choices(shown, "Embeddings field", "compute_coreset_scores", scenes, rows="objects")
    objects = {"rows": "objects", "embeddings": "emb", **QUICK}
    assert form("compute_coreset_scores", scenes, **objects) == []
    assert execute("compute_coreset_scores", scenes, **objects)["ranked"] == 40
    (notice,) = form("compute_coreset_scores", scenes, **(objects | {"embeddings": "nope", "brain_key": "x"}))
    assert notice.startswith("'nope' is not an embeddings field")
    scenes.add_sample_field("objects.detections.emb", fo.ListField, subfield=fo.FloatField)
    assert form("compute_coreset_scores", scenes, **objects, overwrite=True) == []


def test_fields_of_several_labels_are_offered(execute, shown, scenes):
    offered = choices(shown, "Balance by", "compute_coreset_scores", scenes, constrained=True)
    assert offered == ["objects"]
    execute("compute_coreset_scores", scenes, groups="objects", quota="uniform", **QUICK)
    kept = fc.load_run(scenes, "coreset").view(8).values("objects.detections.label")
    assert sum("bus" in labels for labels in kept) == 4
