"""Which images were taken one after another, by names, dates, frame numbers and groups."""

from datetime import datetime, timedelta

import fiftyone as fo
import numpy as np
import pytest
from fiftyone_coreset.plugin.dataset.followers import around, followers
from fiftyone_coreset.plugin.dataset.rows import Rows


def pairs(samples, **kwargs):
    return [set(map(tuple, found.tolist())) for found in followers(Rows(samples, **kwargs)).values()]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["/a/IMG_2.jpg", "/a/IMG_10.jpg", "/a/IMG_1.jpg"], [{(2, 0), (0, 1)}]),  # by number, not by letters
        (["/a/1.jpg", "/b/2.jpg"], []),  # in folders of their own
        (["/a/cam1_003.png", "/a/cam2_004.png", "/a/cam2_005.PNG"], [{(1, 2)}]),  # two cameras
        (["/a/x.png", "/a/y.png"], []),
        (["/a/frame 7 (copy).png", "/a/frame 8 (copy).png"], [{(0, 1)}]),
        (["/a/7.png", "/a/8.jpg"], []),
    ],
)
def test_numbered_names(dataset, names, expected):
    assert pairs(dataset(names)) == expected


def test_dates_within_a_folder(dataset):
    samples = dataset(["/a/x.png", "/b/y.png", "/a/z.png", "/a/w.png"])
    start = datetime(2026, 1, 1)
    samples.set_values("when", [start + timedelta(seconds=seconds) for seconds in (5, 6, 2, 9)])
    assert pairs(samples) == [{(2, 0), (0, 3)}]
    samples.set_values("when", [start, None, None, None])
    assert pairs(samples) == []


def test_frames_of_a_video(dataset):
    samples = dataset([f"/a/{name}.png" for name in "abcd"])
    samples.set_values("sample_id", ["v", "v", "w", "v"])
    samples.set_values("frame_number", [3, 1, 2, 2])
    assert pairs(samples) == [{(1, 3), (3, 0)}]


def test_images_of_a_group(dataset):
    made = dataset([])
    made.add_group_field("group", default="left")
    groups = [fo.Group(), fo.Group()]
    made.add_samples(
        fo.Sample(f"/a/{slice_}-{letter}.png", group=group.element(slice_))
        for letter, group in zip("xy", groups, strict=True)
        for slice_ in ("left", "right")
    )
    flat = made.select_group_slices(["left", "right"])
    names = flat.values("filepath")
    found = [{tuple(sorted((names[a][3:], names[b][3:]))) for a, b in pair} for pair in pairs(flat)]
    assert found == [{("left-x.png", "right-x.png"), ("left-y.png", "right-y.png")}]


def test_objects_do_not_follow_each_other(dataset):
    samples = dataset(["/a/1.png", "/a/2.png"])
    box = fo.Detections(detections=[fo.Detection(label="a", bounding_box=[0, 0, 1, 1])])
    samples.set_values("objects", [box.copy(), box.copy()])
    assert pairs(samples.to_patches("objects")) == []


def test_a_series_is_never_longer_than_its_rows(dataset):
    samples = dataset([f"/a/{number}.png" for number in range(20)])
    found = followers(Rows(samples))["names"]
    assert found.dtype == np.int64
    assert len(found) == 19


def test_images_that_were_deleted_since_the_rows_were_held(dataset):
    samples = dataset(["/a/1.jpg", "/a/2.jpg", "/a/3.jpg"])
    samples.set_values("when", [datetime(2026, 1, day) for day in (1, 2, 3)])
    rows = Rows(samples)
    rows.hold()
    samples.delete_samples(samples.values("id")[1])
    samples.add_samples([fo.Sample(filepath="/a/4.jpg")], progress=False)
    assert [found.tolist() for found in followers(rows).values()] == [[[0, 2]], [[0, 2]]]


def test_only_images_in_the_folders_of_some_can_follow_them(dataset):
    made = dataset(["/a/1.png", "/a/2.png", "/a+/3.png", "/b/1.png", "/a/c/4.png"])
    ids = made.values("id")
    assert around(Rows(made), [ids[1]]).ids() == [ids[0], ids[1], ids[4]]
    assert around(Rows(made), [ids[2], ids[3]]).ids() == ids[2:4]
    assert around(Rows(made), []).ids() == ids
    made.set_values("frame_number", [1, 2, 3, 4, 5])
    made.set_values("sample_id", ["x"] * 5)
    assert around(Rows(made), [ids[1]]).ids() == ids
