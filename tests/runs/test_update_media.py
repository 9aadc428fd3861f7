"""``results.update()`` of frames, objects and groups: what came in old and new samples, and what went."""

from __future__ import annotations

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone import ViewField as F

QUICK = {"method": "kcenter", "projection": "pca", "progress": False}


@pytest.fixture
def vector():
    rng = np.random.default_rng(0)
    return lambda: rng.normal(size=5).astype(np.float32)


def a_video(made, vector, name, n, images=True):
    told = fo.VideoMetadata(total_frame_count=20, frame_rate=5, duration=4, frame_width=8, frame_height=8)
    video = fo.Sample(f"/nowhere/{name}.mp4", metadata=told)
    for number in range(1, n + 1):
        video.frames[number] = a_frame(vector, name, number, images)
    made.add_sample(video)
    return video


def a_frame(vector, name, number, images=True):
    return fo.Frame(emb=vector(), **({"filepath": f"/nowhere/{name}{number}.jpg"} if images else {}))


def frame_ids(video):
    return {frame.id for frame in video.frames.values()}


@pytest.mark.parametrize("by", ["field", "view", "field, no images"])
def test_frames(dataset, vector, by):
    made, images = dataset(), by != "field, no images"
    old, other = (a_video(made, vector, name, 4, images) for name in "ab")
    rows = (made.to_frames(), "emb") if by == "view" else (made, "frames.emb")
    run = fc.compute_coreset(*rows, **QUICK)
    kept = run.ids[run.kept(3)].tolist()
    before = frame_ids(old)
    for number in (7, 8):
        old.frames[number] = a_frame(vector, "a", number, images)
    old.save()
    video = a_video(made, vector, "c", 3, images)
    assert "5 frames were added and are not ranked" in fc.load_run(made, "coreset").changes()
    done = run.update()
    assert set(done.ids) == frame_ids(video) | (frame_ids(old) - before)
    assert run.changes() is None
    assert run.ids[run.kept(3)].tolist() == kept
    assert made.count("frames.coreset_rank") == len(run) == 13
    seen = done.view()
    if images:
        assert seen.values("id") == done.ids
    else:
        numbered = sorted(zip(seen.values("sample_id"), seen.values("support"), strict=True))
        assert numbered == sorted([(old.id, [7, 8]), (video.id, [1, 3])])
    gone = other.frames[2].id
    del other.frames[2]
    other.save()
    made.delete_samples(video.id)
    assert "4 of the 13 ranked frames were deleted" in run.changes()
    assert run.update().removed == 4
    assert set(run.ids) == set(made.values("frames.id", unwind=True))
    assert [row_id for row_id in run.ids[run.ranking] if row_id in kept] == [one for one in kept if one != gone]


def test_frames_that_a_view_leaves_out_are_not_added(dataset, vector):
    made = dataset()
    a_video(made, vector, "a", 9)
    run = fc.compute_coreset(made.match_frames(F("frame_number") % 3 == 0), "frames.emb", **QUICK)
    came = a_video(made, vector, "b", 7)
    assert set(run.update().ids) == {came.frames[3].id, came.frames[6].id}


def an_object(vector, label="car"):
    return fo.Detection(label=label, bounding_box=[0, 0, 0.5, 0.5], emb=vector())


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("of", ["all", "matched", "filtered"])
def test_objects(dataset, vector, declared, of):
    made = dataset([f"/nowhere/{row}.png" for row in range(5)])
    labels = ["car", "car", "bus"]
    made.set_values("gt", [fo.Detections(detections=[an_object(vector, one) for one in labels]) for _ in range(5)])
    if declared:
        made.add_sample_field("gt.detections.emb", fo.VectorField)
    patches = {
        "all": lambda: made.to_patches("gt"),
        "matched": lambda: made.to_patches("gt").match(F("gt.label") == "car"),
        "filtered": lambda: made.filter_labels("gt", F("label") == "car").to_patches("gt"),
    }[of]
    run = fc.compute_coreset(patches(), "emb", **QUICK)
    kept, n = run.ids[run.kept(4)].tolist(), len(run)
    old = made.first()
    old.gt.detections += [an_object(vector), an_object(vector, "bus")]
    old.save()
    made.add_sample(fo.Sample("/nowhere/new.png", gt=fo.Detections(detections=[an_object(vector)])))
    expected = set(patches().values("id")) - set(run.ids.tolist())
    assert len(expected) == (3 if of == "all" else 2)
    assert f"{len(expected)} objects were added and are not ranked" in fc.load_run(made, "coreset").changes()
    done = run.update()
    assert set(done.ids) == expected
    assert done.view().values("id") == done.ids
    assert run.changes() is None
    assert run.ids[run.kept(4)].tolist() == kept
    old.reload()
    gone = old.gt.detections.pop(0).id
    old.save()
    made.delete_samples(made.last())
    assert run.update().removed == 2
    assert set(run.ids) == set(patches().values("id"))
    assert len(run) == n + len(expected) - 2
    assert set(fc.load_run(made, "coreset").view(4).values("id")) >= set(kept) - {gone}


def a_group(made, vector, number, slices=("left", "right"), group=None):
    group = fo.Group(id=group)
    for name in slices:
        made.add_sample(fo.Sample(f"/nowhere/{name}{number}.png", group=group.element(name), emb=vector()))
    return group.id


@pytest.mark.parametrize("embeddings", ["emb", ["left.emb", "right.emb"]])
def test_groups(dataset, vector, embeddings):
    made = dataset()
    made.add_group_field("group", default="left")
    groups = [a_group(made, vector, number) for number in range(8)]
    run = fc.compute_coreset(made, embeddings, **QUICK)
    kept = set(run.view(3).values("group.id"))
    whole, half = a_group(made, vector, 20), a_group(made, vector, 21, ("left",))
    a_group(made, vector, 22, ("right",))
    done = run.update()
    ranked = {whole, half} if embeddings == "emb" else {whole}
    assert set(done.view().values("group.id")) == ranked
    assert done.view().media_type == "group", "with all their slices"
    assert done.view().select_group_slices("right").values("group.id") == [whole]
    assert set(run.view(3).values("group.id")) == kept
    everything = made.select_group_slices(_allow_mixed=True)
    # a slice that comes later belongs to its group, whatever slice is shown
    a_group(made, vector, 0, ("back",), groups[0])
    assert run.update().ids == []
    ranks = dict(zip(*everything.values(["filepath", "coreset_group_rank"]), strict=True))
    assert ranks["/nowhere/back0.png"] == ranks["/nowhere/left0.png"] is not None
    # a group goes with the sample that stands for it: nothing of it keeps a rank
    made.delete_samples(everything.match(F("filepath") == "/nowhere/left1.png"))
    assert run.update().removed == 1
    ranks = dict(zip(*everything.values(["filepath", "coreset_group_rank"]), strict=True))
    assert ranks["/nowhere/right1.png"] is None
    made.delete_groups([groups[2]])
    assert run.update().removed == 1
    assert set(run.view(len(run)).values("group.id")) == {*groups, *ranked} - {groups[1], groups[2]}
