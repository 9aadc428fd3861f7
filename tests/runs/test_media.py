"""Samples that are no images, with vectors of their own: videos, clips, point clouds, 3-D scenes."""

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest

QUICK = {"method": "kcenter", "projection": "pca", "progress": False}
N = 12


@pytest.fixture
def vectors():
    return np.random.default_rng(0).normal(size=(N, 5)).astype(np.float32)


@pytest.mark.parametrize(("suffix", "media"), [("mp4", "video"), ("pcd", "point-cloud"), ("fo3d", "3d")])
@pytest.mark.parametrize("as_field", [True, False])
def test_samples_of_any_medium_are_ranked_by_their_own_vectors(dataset, vectors, suffix, media, as_field):
    made = dataset([f"/nowhere/{row}.{suffix}" for row in range(N)])
    assert made.media_type == media
    if as_field:
        made.set_values("emb", list(vectors))
    run = fc.compute_coreset(made, "emb" if as_field else vectors, **QUICK)
    assert run.noun == {"video": "videos", "point-cloud": "point clouds", "3d": "scenes"}[media]
    images = dataset([f"/nowhere/{row}.png" for row in range(N)])
    assert run.rank.tolist() == fc.compute_coreset(images, vectors, **QUICK).rank.tolist()
    view = fc.create_coreset_view(made, "coreset", 5, tag="kept")
    assert view.values("id") == [row_id for row_id, rank in zip(run.ids, run.rank, strict=True) if rank < 5]
    assert made.match_tags("kept").count() == 5
    made.clear_cache()
    assert fc.load_run(made, "coreset").report(5).n == N
    made.delete_brain_run("coreset")
    assert not made.has_field("coreset_rank")


def test_clips_are_ranked_in_a_dataset_of_their_own(dataset, vectors):
    videos = dataset(["/nowhere/1.mp4", "/nowhere/2.mp4"])
    for video in videos:
        video.metadata = fo.VideoMetadata(total_frame_count=60, frame_rate=10)
        events = [fo.TemporalDetection(label="e", support=[10 * n + 1, 10 * n + 10]) for n in range(N // 2)]
        video["events"] = fo.TemporalDetections(detections=events)
        video.save()
    clips = videos.to_clips("events").clone()
    run = fc.compute_coreset(clips, vectors, **QUICK)
    assert len(run.view(4)) == 4
    assert run.view(4).values("support")[0] is not None


@pytest.mark.parametrize(
    ("suffix", "message"),
    [
        ("mp4", "of type 'video'; embed their frames, of a to_frames"),
        ("pcd", "of type 'point-cloud'; render them as images first"),
    ],
)
def test_what_has_no_pixels_is_not_embedded(dataset, suffix, message):
    with pytest.raises(fc.CoresetError, match=message):
        fc.compute_embeddings(dataset([f"/nowhere/1.{suffix}"]), model="coreset-mini", progress=False)


def test_nobody_is_sent_for_fingerprints_that_cannot_be_taken(dataset, vectors):
    made = dataset([f"/nowhere/{row}.pcd" for row in range(N)])
    made.set_values("emb", list(vectors))
    run = fc.compute_coreset(made, "emb", **QUICK)
    added = made.add_sample(fo.Sample("/nowhere/new.pcd", emb=vectors[0]))
    done = run.update()
    assert (done.ids, done.kinds) == ([added], ["look-alike"])
    near = fc.near_duplicates(made, "emb", progress=False)
    sets = fc.compare_sets(made[:6], made[6:], "emb", progress=False)
    split = fc.split_by_coverage(made, {"a": 0.5, "b": 0.5}, "emb", progress=False)
    for found in (done, near, sets, split):
        assert "fingerprint" not in found.summary()
    assert "Look-alikes are kept together." in split.summary()
