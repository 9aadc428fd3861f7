"""An update computes the vectors that are missing, and tells near-copies by the fingerprints taken in passing."""

import shutil

import fiftyone as fo
import fiftyone_coreset as fc
import pytest


def test_only_what_came_is_embedded_and_copies_are_told(dataset, image_folder, embed, computed, caplog):
    paths = image_folder(n=16)
    samples = dataset(paths[:12])
    embed(samples)
    results = fc.compute_coreset(samples, method="random", projection="pca", progress=False)
    assert (results.near_copies is not None, computed()) == (True, 12)
    again = shutil.copy(paths[3], paths[3].with_name("again.jpg"))
    came = [fo.Sample(filepath=str(path)) for path in (again, *paths[12:14], paths[0].with_name("gone.png"))]
    ids = samples.add_samples(came, progress=False)
    done = results.update()
    assert computed() == 15
    assert set(done.ids) == set(ids[:3])
    assert done.kinds[done.ids.index(ids[0])] == "near-copy"
    assert done.ids[-1] == ids[0], "what repeats another one comes last"
    assert "near-copy" not in {kind for row_id, kind in zip(done.ids, done.kinds, strict=True) if row_id != ids[0]}
    assert "1 have no usable embedding" in str(done)
    group = dict(zip(results.ids.tolist(), results.near_copies.tolist(), strict=True))
    first = samples.values("id")[3]
    assert group[ids[0]] == group[first]
    assert len(set(group.values())) == 14
    assert results.budget("redundancy") == 14


def a_video(made, paths, name):
    video = fo.Sample(f"/nowhere/{name}.mp4")
    for number, path in enumerate(paths, 1):
        video.frames[number] = fo.Frame(filepath=str(path))
    made.add_sample(video)
    return [frame.id for frame in made[video.id].frames.values()]


@pytest.mark.parametrize("by", ["field", "view"])
def test_frames_of_videos_that_came_are_embedded(dataset, image_folder, embed, computed, by):
    paths, made = image_folder(n=10), dataset()
    a_video(made, paths[:4], "a")
    a_video(made, paths[4:7], "b")
    embed(made.to_frames())
    rows = (made, "frames.clip_embeddings") if by == "field" else (made.to_frames(), "clip_embeddings")
    results = fc.compute_coreset(*rows, method="kcenter", projection="pca", progress=False)
    kept = set(results.view(3).values("id"))
    again = shutil.copy(paths[1], paths[1].with_name("again.jpg"))
    came = a_video(made, [again, *paths[7:9]], "c")
    done = results.update()
    assert computed() == 10
    assert set(done.ids) == set(came)
    assert done.kinds[done.ids.index(came[0])] == "near-copy"
    assert set(results.view(3).values("id")) == kept
    assert made.count("frames.coreset_rank") == 10
    assert set(results.view(10).values("id")) >= set(came)
    assert set(done.view("new").values("id")) <= set(came[1:])


@pytest.mark.parametrize("embeddings", ["clip_embeddings", ["left.clip_embeddings", "right.clip_embeddings"]])
def test_groups_that_came_are_embedded_whatever_slice_is_shown(dataset, image_folder, embed, computed, embeddings):
    paths, made = iter(image_folder(n=18)), dataset()
    made.add_group_field("group", default="left")

    def cameras(n):
        groups = [fo.Group() for _ in range(n)]
        slices = [(group, name) for group in groups for name in ("left", "right")]
        made.add_samples([fo.Sample(str(next(paths)), group=group.element(name)) for group, name in slices])
        return [group.id for group in groups]

    cameras(6)
    for name in ("left", "right"):
        embed(made.select_group_slices(name))
    results = fc.compute_coreset(made, embeddings, method="kcenter", projection="pca", progress=False)
    came = cameras(2)
    made.group_slice = "right"
    results = fc.load_run(made, "coreset")
    done = results.update()
    assert computed() == 12 + 2 * (1 if isinstance(embeddings, str) else 2)
    assert len(results) == 8
    everything = made.select_group_slices(_allow_mixed=True)
    group_of = dict(zip(*everything.values(["id", "group.id"]), strict=True))
    assert {group_of[row_id] for row_id in done.ids} == set(came)
    assert everything.count("coreset_group_rank") == 16
    whole = results.view(8).select_group_slices(_allow_mixed=True)
    assert whole.count() == 16
