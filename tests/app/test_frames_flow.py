"""Frames of videos in the real App: the map, a budget, a region, and the frames view that is saved."""

import cv2
import fiftyone as fo
import fiftyone_coreset as fc
import images
import pytest
from coreset_data import clusters
from films import film

pytestmark = pytest.mark.app

SHOTS, N = 3, 24


@pytest.fixture
def videos(dataset, tmp_path):
    """Two videos of three shots, with the image and the embedding of each of their 24 frames."""
    pictures = images.write_images(tmp_path, 2 * SHOTS, size=(96, 72))
    made = dataset()
    for number in range(2):
        made.add_sample(film(tmp_path / f"{number}.webm", pictures[SHOTS * number :][:SHOTS]))
    rows = iter(clusters(N)[0])
    for video in made.iter_samples(autosave=True):
        reader = cv2.VideoCapture(video.filepath)
        for number in range(1, video.metadata.total_frame_count + 1):
            path = f"{video.filepath}-{number:03d}.jpg"
            cv2.imwrite(path, reader.read()[1])
            video.frames[number] = fo.Frame(filepath=path, emb=next(rows))
    fc.compute_coreset(made, "frames.emb", method="kcenter", projection="pca", progress=False)
    return made


def test_frames_are_looked_at_and_saved(app, videos):
    def part(name):
        return app.page.locator(f'[data-cy="coreset-{name}"]')

    app.open(videos)
    app.wait_for_grid_count(2)
    app.screenshot("frames-0-videos")
    app.open_panel("coreset")
    app.page.wait_for_selector('[data-cy="coreset-map"][data-drawn]')
    part("tile-kept").wait_for()
    part("count").fill("6")
    part("count").press("Enter")
    part("color").select_option("video")
    app.page.locator('[data-cy="coreset-legend"]', has_text="1.webm").wait_for()
    app.screenshot("frames-1-panel")
    part("show-kept").click()
    app.wait_for_grid_count(6)
    app.screenshot("frames-2-kept")
    part("create-view").click()
    form = app.page.locator('[data-cy="operators-prompt-modal"]')
    form.get_by_text("Keeps 6 of 24 frames").wait_for()
    assert not form.get_by_text("Tag", exact=True).count(), "FiftyOne keeps no tags of frames"
    app.screenshot("frames-3-form")
    app.page.get_by_role("button", name="Execute").click()
    app.page.get_by_text("Saved the view 'coreset 6': 6 of 24.").wait_for()
    app.page.get_by_role("button", name="Close").click()
    app.page.get_by_text("6 of 24 in view").wait_for()
    app.wait_for_grid_count(6)
    app.screenshot("frames-4-saved")
    videos.reload()
    assert sorted(videos.load_saved_view("coreset 6").values("coreset_rank")) == list(range(6))
    assert app.errors == []
