"""The Coreset panel on runs of frames and of whole groups."""

import json
import re

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone.operators.executor import ExecutionContext, Executor
from fiftyone_coreset.panels import grid
from fiftyone_coreset.panels.coreset import CoresetPanel
from fiftyone_coreset.panels.runs import find_run
from fiftyone_coreset.plugin.embeddings.sources import named_vectors
from matplotlib.path import Path as Outline

QUICK = {"method": "kcenter", "projection": "pca", "progress": False}
N_VIDEOS, N_FRAMES = 3, 8


class App:
    """Sends events of the panel, and remembers the view that they open."""

    def __init__(self, dataset, key="coreset"):
        self.dataset, self.key, self.view, self.group_slice = dataset, key, dataset.view(), None
        self.opened, self.prompted = None, None

    def ask(self, event, **params):
        stages = self.view._serialize()
        request = {"dataset_name": self.dataset.name, "params": {"key": self.key, **params}, "view": stages}
        ctx = ExecutionContext(request | {"group_slice": self.group_slice}, Executor())
        ctx._panel = type("Panel", (), {"set_state": lambda *_: None, "get_state": lambda *_: None})()
        answer = getattr(CoresetPanel(), event)(ctx)
        for call in ctx.executor._requests:
            name, told = call.operator_uri.rsplit("/", 1)[-1], call.params
            if name == "set_view":
                self.view = fo.DatasetView._build(self.dataset, told["view"])
            elif name == "set_group_slice":
                self.group_slice = self.dataset.group_slice = told["slice"]
            elif name == "open_sample":
                self.opened = told["id"]
            elif "operator_uri" in told:
                self.prompted = told
        self.dataset.reload()
        return answer

    def send(self, event, **params):
        answer = self.ask(event, **params)
        assert "error" not in answer, answer
        return answer


@pytest.fixture
def videos(dataset):
    """Three videos of eight frames, of which neighbours are alike."""
    steps = np.random.default_rng(0).normal(size=(N_VIDEOS, N_FRAMES, 6)) * 0.1
    vectors = (5 * np.eye(N_VIDEOS, 6)[:, None] + steps.cumsum(axis=1)).astype(np.float32)

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
        fc.compute_coreset(made, "frames.emb", **QUICK)
        return made

    return make


def frames_shown(view):
    """The frames of a view of frames or clips, as (video, number)."""
    if view._is_frames:
        return set(zip(*view.values(["sample_id", "frame_number"]), strict=True))
    clips = zip(*view.values(["sample_id", "support"]), strict=True)
    return {(video, number) for video, (first, last) in clips for number in range(first, last + 1)}


def frames_of(run, rows):
    """The frames of rows of a run, as (video, number), read from the dataset."""
    pairs = {}
    for video in run.dataset:
        pairs |= {frame.id: (video.id, number) for number, frame in video.frames.items()}
    return {pairs[run.ids[row]] for row in rows}


@pytest.mark.parametrize("images", [True, False])
def test_frames_on_the_map_and_in_the_grid(videos, images):
    app = App(videos(images))
    run = find_run(app.dataset, "coreset")
    loaded = app.send("load_run")
    assert (loaded["noun"], loaded["n"]) == ("frames", N_VIDEOS * N_FRAMES)
    app.send("show_kept", k=7)
    assert app.view._is_frames == images
    assert frames_shown(app.view) == frames_of(run, range(7))
    shown = app.send("load_view")
    assert (shown["shown"], shown["alive"], shown["notices"]) == (7, None, [])
    assert np.flatnonzero(grid.shown_rows(run, app.view).mask).tolist() == list(range(7))
    listed = grid.ordered_view(run, run.ids[[9, 2, 5]].tolist())
    assert frames_shown(listed) == frames_of(run, [9, 2, 5])
    assert not images or listed.values("id") == run.ids[[9, 2, 5]].tolist()


@pytest.mark.parametrize("images", [True, False])
def test_regions_of_frames(videos, images):
    app = App(videos(images))
    run = find_run(app.dataset, "coreset")
    points = run.results.points[run.order]
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    polygon = [[x0 - 1, y0 - 1], [(x0 + x1) / 2, y0 - 1], [(x0 + x1) / 2, y1 + 1], [x0 - 1, y1 + 1]]
    inside = Outline([*polygon, polygon[0]]).contains_points(points)
    assert 0 < inside.sum() < run.n
    app.send("show_region", polygon=polygon)
    assert frames_shown(app.view) == frames_of(run, np.flatnonzero(inside))
    assert app.send("load_view")["region"]
    app.send("leave_region")
    assert app.view == app.dataset.view()
    app.send("show_kept", k=9)
    kept = app.view
    app.send("show_region", polygon=polygon)
    assert frames_shown(app.view) == frames_of(run, np.flatnonzero(inside[:9]))
    app.send("leave_region")
    assert frames_shown(app.view) == frames_shown(kept)


def test_a_frame_under_the_cursor_and_opened(videos):
    app = App(videos())
    run = find_run(app.dataset, "coreset")
    (frame,) = frames_of(run, [3])
    video, number = app.dataset[frame[0]], frame[1]
    name = video.filepath.rsplit("/", 1)[-1]
    shown = app.send("inspect", row=3, k=5)
    assert (shown["title"], shown["path"]) == (f"frame {number} of {name}", video.frames[number].filepath)
    app.send("open_sample", row=3)
    assert (app.opened, frames_shown(app.view)) == (None, {frame})
    app.send("open_sample", row=3)
    assert app.opened == run.ids[3]
    assert app.send("load_selected")["rows"] == []
    for event, operator in (("create_view", "create_coreset_view"), ("export", "export_coreset")):
        app.send(event, k=5)
        assert app.prompted["params"] == {"brain_key": "coreset", "budget": "5"}
        assert app.prompted["operator_uri"].endswith(f"/{operator}")
    app.dataset.delete_samples([video.id])
    assert app.send("inspect", row=3, k=5)["title"] == "deleted after the run"
    assert "This frame was deleted" in app.ask("open_sample", row=3)["error"]
    assert "8 of the 24 ranked frames were deleted" in app.send("load_view")["notices"][0]


def test_a_frame_without_an_image_is_named(videos):
    app = App(videos(images=False))
    (frame,) = frames_of(find_run(app.dataset, "coreset"), [3])
    shown = app.send("inspect", row=3, k=5)
    assert shown["path"] is None
    assert shown["title"].startswith(f"frame {frame[1]} of ")
    app.send("open_sample", row=3)
    assert frames_shown(app.view) == {frame}


def test_colours_and_news_of_frames(videos):
    app = App(videos())
    offered = [channel["id"] for channel in app.send("load_run")["channels"]]
    assert {"video", "distance", "field:frames.gt.label", "field:frames.frame_number"} <= set(offered)
    for name in offered:
        legend = app.send("load_coloring", channel=name, k=5)["legend"]
        assert legend["missing"] == 0, name
    assert not re.search(
        r"\bimages?\b", json.dumps([app.send(event, k=5) for event in ("load_run", "load_curve", "report")])
    )
    legend = app.send("load_coloring", channel="video", k=5)["legend"]
    assert (legend["labels"], legend["counts"]) == (["0.mp4", "1.mp4", "2.mp4"], [N_FRAMES] * N_VIDEOS)
    video = fo.Sample("/nowhere/new.mp4")
    video.frames[1] = fo.Frame(emb=np.ones(6, dtype=np.float32), filepath="/nowhere/new.jpg")
    app.dataset.add_sample(video)
    assert app.send("load_view")["notices"][0].startswith("Not ranked: 1 frame that came")


def test_vectors_of_videos_and_of_their_frames_are_offered(videos):
    made = videos()
    assert named_vectors(made) == ["frames.emb"]
    made.set_values("whole", [[0.0, 1.0]] * N_VIDEOS)
    assert named_vectors(made) == ["whole", "frames.emb"]


def test_near_duplicates_of_frames_are_shown_and_not_tagged(videos):
    made = videos()
    made.set_values("frames.emb", [[made.first().frames[1].emb] * N_FRAMES, *made.values("frames.emb")[1:]])
    fc.compute_coreset(made, "frames.emb", overwrite=True, **QUICK)
    app = App(made)
    found = app.send("load_groups")
    assert found["marked"] == 0
    told = {"version": found["version"], "groups": [0]}
    (page,) = app.send("load_group_page", **told)["groups"]
    own = {frame.id: frame.filepath for frame in made.first().frames.values()}
    assert {member["id"]: member["path"] for member in page["members"]} == own
    app.send("show_groups", **told)
    assert app.view.values("id") == [member["id"] for member in page["members"]]
    assert app.ask("keep_instead", group=0, id="f" * 24, version=found["version"])["error"] == (
        "This frame is not in the group."
    )
    second = page["members"][1]["id"]
    app.send("keep_instead", version=found["version"], group=0, id=second)
    (page,) = app.send("load_group_page", **told)["groups"]
    assert page["members"][0]["id"] == second
    assert "keeps no tags of frames" in app.ask("mark_rest", action="hide", **told)["error"]
    app.send("compute_fingerprints")
    assert app.prompted["params"] == {"rows": "images"}


# Whole groups

N = 10


@pytest.fixture
def cameras(dataset):
    """Ten groups of two cameras and a point cloud, the first four alike; the last one has no right camera."""
    vectors = np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)
    vectors[1:4] = vectors[0]
    made = dataset()
    made.add_group_field("group", default="left")
    samples = []
    for number in range(N):
        group = fo.Group()
        for name in ("left", "right") if number < N - 1 else ("left",):
            element = group.element(name)
            samples.append(fo.Sample(f"/nowhere/{name}{number}.png", group=element, emb=vectors[number]))
        samples.append(fo.Sample(f"/nowhere/{number}.pcd", group=group.element("lidar")))
    made.add_samples(samples, progress=False)
    fc.compute_coreset(made, "emb", **QUICK)
    return made


def groups_in(view):
    """The groups that a view holds whole."""
    everything = view._root_dataset.select_group_slices(_allow_mixed=True)
    found, whole = (it.values("group.id") for it in (view.select_group_slices(_allow_mixed=True), everything))
    assert all(found.count(group) == whole.count(group) for group in found)
    return set(found)


def groups_of(run, rows):
    everything = run.dataset.select_group_slices(_allow_mixed=True)
    of = dict(zip(*everything.values(["id", "group.id"]), strict=True))
    return {of[run.ids[row]] for row in rows}


@pytest.mark.parametrize("group_slice", ["left", "right"])
def test_whole_groups_on_the_map_and_in_the_grid(cameras, group_slice):
    app = App(cameras)
    app.group_slice = group_slice
    run = find_run(cameras, "coreset")
    assert app.send("load_run")["noun"] == "groups"
    shown = app.send("load_view")
    assert (shown["alive"], shown["mask"], shown["notices"]) == (None, None, [])
    app.send("show_kept", k=4)
    last = {cameras.select_group_slices("left").match(fo.ViewField("filepath").contains_str("left9")).first().group.id}
    lacking = last if group_slice == "right" else set()  # FiftyOne leaves out groups without the slice shown
    assert groups_in(app.view) == groups_of(run, range(4)) - lacking
    shown = np.flatnonzero(grid.shown_rows(run, app.view).mask)
    assert groups_of(run, shown) == groups_of(run, range(4)) - lacking
    chosen = cameras.select_groups(sorted(groups_of(run, [2, 5]))).select_group_slices("right").values("id")
    assert grid.rows_of_ids(run, chosen) == [2, 5]
    flat = cameras.select_group_slices(["left", "right"])
    assert grid.shown_rows(run, flat).mask.all()
    listed = grid.ordered_view(run, run.ids[[7, 2]].tolist())
    assert groups_in(listed) == groups_of(run, [7, 2]) - lacking


def test_regions_of_groups_show_the_slice_that_was_ranked(cameras):
    app = App(cameras)
    app.group_slice = "lidar"
    run = find_run(cameras, "coreset")
    points = run.results.points[run.order]
    middle = np.unique(points[:, 0])[2:4].mean()
    polygon = [[-1e3, -1e3], [middle, -1e3], [middle, 1e3], [-1e3, 1e3]]
    app.send("show_region", polygon=polygon)
    assert app.group_slice == "left"
    assert groups_in(app.view) == groups_of(run, np.flatnonzero(points[:, 0] < middle))
    assert app.send("load_view")["region"]
    app.send("leave_region")
    assert app.view == cameras.view()


def test_a_group_under_the_cursor_and_opened(cameras):
    app = App(cameras)
    app.group_slice = "right"
    run = find_run(cameras, "coreset")
    row = next(row for row in range(N) if cameras.select_group_slices("left")[run.ids[row]].filepath[-5] != "9")
    assert app.send("inspect", row=row, k=3)["title"].startswith("left")
    app.send("open_sample", row=row)
    assert groups_of(run, [row]) == {cameras.select_group_slices("right")[app.opened].group.id}


def test_copies_among_groups_are_tagged_and_deleted_with_all_slices(cameras):
    app = App(cameras)
    app.group_slice = "right"
    found = app.send("load_groups")
    told = {"version": found["version"], "groups": [0]}
    everything = cameras.select_group_slices(_allow_mixed=True)
    done = app.send("mark_rest", action="delete", **told)
    assert done["message"] == "Tagged 3 groups 'coreset_delete'."
    assert everything.match_tags("coreset_delete").count() == 9
    assert "3 groups" in app.ask("delete_marked", count=9)["error"]
    app.send("undo", token=done["undo"])
    assert everything.match_tags("coreset_delete").count() == 0
    (page,) = app.send("load_group_page", **told)["groups"]
    members = [member["id"] for member in page["members"]]
    app.send("show_groups", **told)
    run = find_run(cameras, "coreset")
    assert groups_in(app.view) == groups_of(run, map(run.rank_of.get, members))
    app.send("mark_rest", action="delete", **told)
    app.send("delete_marked", count=3)
    assert everything.count() == 3 * (N - 3) - 1
    app.view = cameras.view()
    assert app.send("load_view")["shown"] == N - 3
