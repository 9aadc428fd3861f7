"""Frames of videos are rows: ranks live on the frames, views show frames, or clips where frames have no images."""

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone import ViewField as F

N_VIDEOS, N_FRAMES = 3, 8
QUICK = {"method": "kcenter", "projection": "pca", "progress": False}


@pytest.fixture(scope="module")
def vectors():
    """Every video moves slowly: neighbours in time are near, videos are far from each other."""
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(N_VIDEOS, N_FRAMES, 6)) * 0.1
    return (5 * np.eye(N_VIDEOS, 6)[:, None] + steps.cumsum(axis=1)).astype(np.float32)


@pytest.fixture
def videos(dataset, vectors):
    def make(images=True):
        made = dataset()
        for number, of_video in enumerate(vectors):
            video = fo.Sample(
                f"/nowhere/{number}.mp4", metadata=fo.VideoMetadata(total_frame_count=N_FRAMES, frame_rate=4)
            )
            for frame, vector in enumerate(of_video, 1):
                video.frames[frame] = fo.Frame(emb=vector, gt=fo.Classification(label="ab"[frame % 2]))
                if images:
                    video.frames[frame]["filepath"] = f"/nowhere/{number}/{frame}.jpg"
            made.add_sample(video)
        return made

    return make


@pytest.fixture
def expected(vectors, dataset):
    """The run of the same vectors as images."""
    flat = dataset([f"/nowhere/{row}.png" for row in range(N_VIDEOS * N_FRAMES)])
    flat.set_values("emb", list(vectors.reshape(-1, 6)))
    return fc.compute_coreset(flat, "emb", **QUICK)


@pytest.mark.parametrize("by", ["view", "field"])
def test_frames_are_ranked_as_images_are(videos, expected, by):
    made = videos()
    frames = (made.to_frames(), "emb") if by == "view" else (made, "frames.emb")
    run = fc.compute_coreset(*frames, **QUICK)
    assert run.rank.tolist() == expected.rank.tolist()
    assert made.values("frames.coreset_rank", unwind=True) == run.rank.tolist()
    assert not made.has_field("coreset_rank")
    made.clear_cache()
    again = fc.load_run(fo.load_dataset(made.name), "coreset")
    assert (again.noun, again.config.embeddings) == ("frames", [frames[1]])
    view = again.view(5)
    assert view._is_frames
    assert set(view.values("id")) == set(again.ids[again.ranking[:5]].tolist())
    assert again.report(5).to_dict() == expected.report(5).to_dict()
    assert again.changes() is None
    assert "frame 1 of 0.mp4" in str(again.explain(again.ids[0], 5))


def test_saved_views_follow_the_ranks(videos, vectors):
    made = videos()
    fc.compute_coreset(made, "frames.emb", **QUICK)
    fc.create_coreset_view(made, "coreset", 5, "some", field="kept")
    kept = F("kept") == True  # noqa: E712
    assert made.match_frames(kept).count("frames") == 5
    made.set_values("frames.emb", [list(of_video[::-1] ** 3) for of_video in vectors])
    run = fc.compute_coreset(made, "frames.emb", **QUICK | {"seed": 3}, overwrite=True)
    shown = set(made.load_saved_view("some").values("id"))
    assert shown == set(run.ids[run.ranking[:5]].tolist())
    made.rename_brain_run("coreset", "other")
    assert set(made.load_saved_view("some").values("id")) == shown
    assert made.has_field("frames.other_rank")
    assert not made.has_field("frames.coreset_rank")


def test_deleting_a_run_leaves_nothing(videos):
    made = videos()
    before = set(made.get_frame_field_schema())
    fc.compute_coreset(made, "frames.emb", **QUICK)
    assert {"coreset", "coreset_umap"} <= set(made.list_brain_runs())
    assert len(made.load_brain_results("coreset_umap").points) == N_VIDEOS * N_FRAMES
    made.delete_brain_run("coreset")
    assert set(made.get_frame_field_schema()) == before
    assert made.list_brain_runs() == []


def test_frames_without_images_are_shown_as_clips(videos):
    made = videos(images=False)
    fc.compute_coreset(made, "frames.emb", **QUICK)
    view = fc.create_coreset_view(made, "coreset", 7)
    assert made.list_brain_runs() == ["coreset"]  # and no map: FiftyOne's shows frames by their images
    assert view._is_clips
    assert sum(last - first + 1 for first, last in view.values("support")) == 7


def test_clips_hold_the_budget(videos):
    run = fc.compute_coreset(videos().to_frames(), "emb", **QUICK)
    clips = run.clips(9)
    assert clips._is_clips
    kept = set(run.ids[run.ranking[:9]].tolist())
    place = {row_id: divmod(row, N_FRAMES) for row, row_id in enumerate(run.ids.tolist())}
    by_video = dict(zip(run.samples._root_dataset.values("id"), range(N_VIDEOS), strict=True))
    shown = {
        (by_video[video], frame - 1)
        for video, (first, last) in zip(*clips.values(["sample_id", "support"]), strict=True)
        for frame in range(first, last + 1)
    }
    assert shown == {place[row_id] for row_id in kept}


def test_so_many_a_video(videos):
    made = videos()
    run = fc.compute_coreset(made, "frames.emb", groups="sample_id", quota="uniform", k=6, **QUICK)
    kept = run.ids[run.ranking[:6]].tolist()
    per_video = [sum(row_id in kept for row_id in ids) for ids in made.values("frames.id")]
    assert per_video == [2] * N_VIDEOS


def test_every_nth(videos):
    made = videos()
    some = made.match_frames(F("frame_number") % 4 == 1)
    run = fc.compute_coreset(some, "frames.emb", **QUICK)
    assert len(run) == 2 * N_VIDEOS
    assert made.count("frames.coreset_rank") == 2 * N_VIDEOS
    assert len(run.view(3)) == 3


def test_labels_of_frames(videos):
    run = fc.compute_coreset(videos(), "frames.emb", label_field="gt", **QUICK)
    assert run.labels() == ["b", "a"] * (N_VIDEOS * N_FRAMES // 2)


def test_near_duplicates_among_frames(videos):
    near = fc.near_duplicates(videos(), "frames.emb", progress=False)
    assert near.noun == "frames"
    assert len(near.view()) == len({row_id for group in near.groups for row_id in group})


def test_frames_of_real_images(dataset, image_folder, embed_frames):
    paths = image_folder(n=6)
    made = dataset()
    for number in range(2):
        video = fo.Sample(f"/nowhere/{number}.mp4")
        for frame in range(3):
            video.frames[frame + 1] = fo.Frame(filepath=str(paths[3 * number + frame]))
        made.add_sample(video)
    report = embed_frames(made.to_frames())
    assert (report.field, report.noun, report.n_embedded) == ("frames.clip", "frames", 6)
    assert embed_frames(made.to_frames()).n_present == 6
    assert fc.embedding_record(made.to_frames(), "clip")["model"] == "coreset-mini"
    run = fc.compute_coreset(made, "frames.clip", **QUICK)
    assert run.near_copies is not None  # fingerprints were taken in passing
    assert run.config.models["frames.clip"]["model"] == "coreset-mini"


@pytest.fixture
def embed_frames():
    def run(frames):
        return fc.compute_embeddings(frames, "clip", model="coreset-mini", num_workers=0, device="cpu", progress=False)

    return run


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda made: fc.compute_coreset(made, "emb", **QUICK), "'emb' is one of frames; .* name it 'frames.emb'"),
        (lambda made: fc.compute_coreset(made, "frames.nope", **QUICK), "field 'frames.nope' does not exist"),
        (lambda made: fc.compute_coreset(made.to_clips(F("emb") != None), "x", **QUICK), "no fields of a clips view"),  # noqa: E711
        (lambda made: fc.compute_embeddings(made, model="coreset-mini"), "embed their frames, of a to_frames"),
        (
            lambda made: fc.compute_embeddings(made.to_frames(), model="coreset-mini", tag_failures="x"),
            "keeps no tags of frames",
        ),
        (lambda made: fc.compute_coreset(made[:0], "frames.emb", **QUICK), "the collection has 0 samples"),
        (lambda made: fc.compute_coreset(made.to_frames(), np.ones((3, 2)), **QUICK), "3 rows but .* 24 frames"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(videos, call, message):
    with pytest.raises(fc.CoresetError, match=message):
        call(videos())


def test_tags_of_frames_are_refused_before_anything_is_written(videos):
    made = videos()
    fc.compute_coreset(made, "frames.emb", **QUICK)
    with pytest.raises(fc.CoresetError, match="keeps no tags of frames; use field="):
        fc.create_coreset_view(made, "coreset", 5, "some", tag="x", field="kept")
    assert made.list_saved_views() == []
    assert not made.has_field("frames.kept")


def test_a_field_called_frames_is_a_label_field(dataset):
    made = dataset(["/nowhere/1.png", "/nowhere/2.png"])
    for row, sample in enumerate(made):
        boxes = [fo.Detection(bounding_box=[0, 0, 1, 1], emb=np.array([row, place, 1.0])) for place in range(2)]
        sample["frames"] = fo.Detections(detections=boxes)
        sample.save()
    run = fc.compute_coreset(made.to_patches("frames"), "emb", **QUICK)
    assert (run.noun, len(run.view(2))) == ("objects", 2)
