"""Values of objects are read and written by their ids, in a patches view and in its dataset."""

from __future__ import annotations

import pytest
from fiftyone_coreset.plugin.dataset.rows import Rows


@pytest.fixture
def boxes(dataset):
    import fiftyone as fo

    made = dataset([f"/nowhere/{row}.png" for row in range(4)])
    tags = [[["a"], ["a", "b"]], [[]], None, [["b"], []]]
    made.set_values(
        "boxes",
        [
            None
            if found is None
            else fo.Detections(detections=[fo.Detection(bounding_box=[0, 0, 1, 1], tags=names) for names in found])
            for found in tags
        ],
    )
    made.add_sample_field("boxes.detections.place", fo.IntField)
    return made


@pytest.mark.parametrize("as_patches", [False, True])
def test_objects(boxes, as_patches):
    rows = Rows(boxes.to_patches("boxes") if as_patches else boxes, "boxes")
    assert rows.values("tags") == [["a"], ["a", "b"], [], ["b"], []]
    ids = rows.ids()
    rows.set_values("place", {ids[1]: 1, ids[3]: 3})
    assert rows.values("place") == [None, 1, None, 3, None]
    assert boxes.values("boxes.detections.place") == [[None, 1], [None], None, [3, None]]
    rows.set_values("place", {ids[1]: None})
    assert rows.values("place") == [None, None, None, 3, None]
