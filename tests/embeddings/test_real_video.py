"""Frames of real video files, as FiftyOne samples them with ffmpeg: embedded, ranked, updated when a video comes."""

import os
import shutil
from pathlib import Path

import fiftyone_coreset as fc
import pytest
from films import SHOT, film


@pytest.fixture
def ffmpeg(tmp_path, monkeypatch):
    """An ffmpeg on the PATH: the machine's, or that of the package imageio-ffmpeg."""
    if shutil.which("ffmpeg"):
        return
    why = "no ffmpeg on the PATH, nor in the package imageio-ffmpeg of the extra [dev]"
    brought = pytest.importorskip("imageio_ffmpeg", reason=why)
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "ffmpeg").symlink_to(brought.get_ffmpeg_exe())
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_frames_of_video_files(dataset, image_folder, embed, computed, tmp_path, ffmpeg):
    pictures, made = image_folder(n=8), dataset()
    made.add_samples(
        [film(tmp_path / "a.webm", pictures[:3]), film(tmp_path / "b.webm", pictures[3:6])], progress=False
    )
    frames = made.to_frames(sample_frames=True, output_dir=str(tmp_path / "frames"))
    assert embed(frames).n_embedded == computed() == 6 * SHOT
    results = fc.compute_coreset(frames, method="kcenter", projection="pca", progress=False)

    def shot(frame):
        return frame.sample_id, (frame.frame_number - 1) // SHOT

    assert len({shot(frame) for frame in results.view(6)}) == 6, "one frame of each shot"
    assert {Path(path).suffix for path in results.view(6).values("filepath")} == {".jpg"}
    of_group = {}
    places = dict(zip(frames.values("id"), map(shot, frames), strict=True))
    for row_id, group in zip(results.ids.tolist(), results.near_copies.tolist(), strict=True):
        of_group.setdefault(group, set()).add(places[row_id])
    assert all(len(shots) == 1 for shots in of_group.values()), "copies are of one shot"
    made.add_sample(film(tmp_path / "c.webm", pictures[6:]))
    done = results.update()
    assert (computed(), len(done.ids), made.count("frames.coreset_rank")) == (8 * SHOT, 2 * SHOT, 8 * SHOT)
    assert {Path(path).parent.name for path in done.view().values("filepath")} == {"c"}
