"""Tags of images and of objects."""

import fiftyone as fo
import pytest
from fiftyone_coreset.plugin.dataset import tags
from fiftyone_coreset.plugin.dataset.rows import Rows
from fiftyone_coreset.plugin.dataset.tags import delete_rows, tag_rows, tagged, untag_rows


@pytest.fixture(params=["images", "objects"])
def rows(request, dataset, monkeypatch):
    """Six images, or two images of three objects each."""
    monkeypatch.setattr(tags, "_CHUNK", 2)
    if request.param == "images":
        return Rows(dataset([f"/nowhere/{row}.png" for row in range(6)]))
    made = dataset(["/nowhere/0.png", "/nowhere/1.png"])
    for sample in made:
        sample["things"] = fo.Detections(detections=[fo.Detection(bounding_box=[0, 0, 1, 1]) for _ in range(3)])
        sample.save()
    return Rows(made, "things")


def test_what_was_tagged_anew_is_told(rows):
    ids = rows.ids()
    assert tag_rows(rows, ids[:2], "old") == ids[:2]
    assert tag_rows(rows, ids[1:5], "old") == ids[2:5]
    assert tagged(rows, "old") == set(ids[:5])
    assert tagged(rows, "new") == set()
    untag_rows(rows, ids[2:5], "old")
    assert tagged(rows, "old") == set(ids[:2])


def test_rows_are_deleted(rows):
    ids = rows.ids()
    delete_rows(rows, ids[:3])
    assert rows.ids() == ids[3:]
