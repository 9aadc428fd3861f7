"""Values of objects are read and written by their ids, in a patches view and in its dataset."""

from __future__ import annotations

import fiftyone as fo
import fiftyone.core.odm as foo
import fiftyone.core.utils as fou
import numpy as np
import pytest
from bson import ObjectId
from fiftyone_coreset.plugin.dataset import rows as module
from fiftyone_coreset.plugin.dataset.owned import values_by_id
from fiftyone_coreset.plugin.dataset.rows import Rows
from fiftyone_coreset.plugin.dataset.stored_arrays import decoded
from fiftyone_coreset.plugin.errors import CoresetError


@pytest.fixture
def boxes(dataset):
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


def test_stored_arrays_are_decoded_as_fiftyone_does():
    rng = np.random.default_rng(0)
    shapes = [5, 5, 6, 5, 0, 0, (2, 3), (2, 3), (), 5, 1500, 1500]
    dtypes = ["f4", "f4", "f4", "f8", ">f4", "f4", "f4", "f4", "f4", "u1", "f2", "f2"]
    arrays = [np.asarray(rng.uniform(0, 99, shape)).astype(dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
    stored = [fou.serialize_numpy_array(array) for array in arrays]
    found = decoded([None, *stored, [1.0, 2.0]])
    assert (found[0], found[-1]) == (None, [1.0, 2.0])
    for array, expected in zip(found[1:-1], map(fou.deserialize_numpy_array, stored), strict=True):
        np.testing.assert_array_equal(array, expected, strict=True)


@pytest.mark.parametrize("odd", [None, np.zeros(4, np.float32), np.zeros(3), [1.0, 2.0, 3.0]])
def test_many_vectors_are_read_in_parts(dataset, monkeypatch, odd):
    made = dataset([f"/nowhere/{row}.png" for row in range(10)])
    vectors = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
    made.set_values("emb", [*vectors[:6], None, *vectors[7:]])
    if odd is not None:  # anything else than a vector like the others
        stored = fou.serialize_numpy_array(odd) if isinstance(odd, np.ndarray) else odd
        made._sample_collection.update_one({"filepath": "/nowhere/8.png"}, {"$set": {"emb": stored}})
    rows = Rows(made)
    rows.hold([*made.values("id")[::-1], "0" * 24])  # in an order of its own, and one that is gone
    whole = rows.vectors("emb")
    monkeypatch.setattr(module, "_PART", 4)
    parts = rows.vectors("emb")
    assert isinstance(whole, list)
    assert isinstance(parts, np.ndarray) == (odd is None)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(np.full(3, np.nan) if one is None and odd is None else one, other)
    monkeypatch.setattr(Rows, "_has_own_samples", False)
    assert isinstance(rows.vectors("emb"), list)


@pytest.mark.parametrize(
    "spoilt", [b"", b"junk", fou.serialize_numpy_array(np.zeros(3))[:9], b"x\x9c\x03\x00\x00\x00\x00\x01"]
)
def test_bytes_that_are_no_array_are_named(dataset, spoilt):
    made = dataset(["/nowhere/1.png", "/nowhere/2.png"])
    made.set_values("emb", [np.zeros(3), np.ones(3)])
    made._sample_collection.update_one({"filepath": "/nowhere/2.png"}, {"$set": {"emb": spoilt}})
    with pytest.raises(CoresetError, match="field 'emb' holds bytes that are no array"):
        Rows(made).vectors("emb")


def test_held_rows_have_the_order_that_was_asked_for(dataset):
    made = dataset([f"/nowhere/{row}.png" for row in range(4)])
    made.set_values("place", [0, 1, 2, 3])
    rows, ids = Rows(made), made.values("id")
    made.delete_samples(ids[1:2])
    rows.hold([ids[3], ids[1], ids[0]])
    assert (len(rows), rows.values("place")) == (3, [3, None, 0])


def test_unranked_rows_have_no_rank_or_one_that_was_not_given_yet(dataset):
    made = dataset([f"/nowhere/{row}.png" for row in range(5)])
    assert Rows(made).unranked_ids("rank", 9) == made.values("id")
    made.set_values("rank", [0, None, 2, 3, None])
    ids = made.values("id")
    assert Rows(made).unranked_ids("rank", 2) == [ids[1], ids[3], ids[4]]
    assert Rows(made[2:]).unranked_ids("rank", 2) == [ids[3], ids[4]]


@pytest.mark.parametrize("objects", [False, True])
def test_ids_and_values_are_of_one_moment(dataset, monkeypatch, objects):
    """One sample goes and another comes whenever the database has been read once."""
    made = dataset([f"/nowhere/{row}.png" for row in range(4)])
    made.set_values("place", list(range(4)))
    boxes = [fo.Detections(detections=[fo.Detection(label="a", place=row)]) for row in range(4)]
    made.set_values("boxes", boxes)
    made.add_dynamic_sample_fields()
    rows = Rows(made, "boxes" if objects else None)
    rows.hold()
    held, before = rows.ids(), dict(zip(rows.ids(), range(4), strict=True))
    read = foo.aggregate

    def one_by_one(collection, pipelines, **options):
        found = []
        for pipeline in pipelines:
            found.append(list(read(collection, [pipeline], **options)[0]))
            first = collection.find_one_and_delete({})
            changed = {"place": 9, "boxes.detections.0.place": 9, "boxes.detections.0._id": ObjectId()}
            collection.insert_one(first | {"_id": ObjectId()})
            collection.update_one({"filepath": first["filepath"]}, {"$set": changed})
        return found

    monkeypatch.setattr(foo, "aggregate", one_by_one)
    by_id = values_by_id(made, rows.patches_field, rows.path("place"))
    assert by_id == before
    found = dict(zip(held, rows.values("place"), strict=True))
    assert all(value in (None, before[row_id]) for row_id, value in found.items())
    assert sum(value is not None for value in found.values()) == 3
