"""Stored runs of which something is missing or spoilt are told by what is wrong, and by what to do."""

from __future__ import annotations

import copy

import fiftyone.core.utils as fou
import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone.core.odm import get_db_conn
from fiftyone_coreset.plugin.brain import Coreset
from fiftyone_coreset.plugin.results import CoresetResults

REMEDY = r"compute it again with overwrite=True"
#: Without these a run is an older one, whose parts are computed when they are asked for.
OPTIONAL = {"fingerprints"}


def pack(array):
    return fou.serialize_numpy_array(array, ascii=True)


@pytest.fixture
def run(embedded, quick):
    """A computed run, and a function that reads its stored form after something was done to it."""
    results = fc.compute_coreset(embedded(), "emb", **quick)
    results.first_cover()
    stored = results.serialize()

    def read(spoil):
        spoilt = copy.deepcopy(stored)
        spoil(spoilt)
        return CoresetResults._from_dict(spoilt, results.samples, results.config, "coreset")

    return results, stored["arrays"], read


def test_what_was_stored_is_read(run):
    results, _, read = run
    again = read(lambda stored: None)
    np.testing.assert_array_equal(again.rank, results.rank)
    np.testing.assert_array_equal(again.ids, results.ids)
    np.testing.assert_array_equal(again.points, results.points)
    assert set(again.columns) == set(results.columns)
    assert again.curve().at(10) == results.curve().at(10)


def test_every_array_missing_spoilt_or_of_another_length(run):
    _, arrays, read = run
    assert len(arrays) >= 15
    for name in arrays:
        if name not in OPTIONAL:
            with pytest.raises(
                fc.CoresetError, match=rf"^run 'coreset' is damaged \(array '{name}' is missing\); {REMEDY}$"
            ):
                read(lambda stored, name=name: stored["arrays"].pop(name))
        unreadable = rf"^run 'coreset' is damaged \(array '{name}' cannot be read\); {REMEDY}$"
        objects = pack(np.zeros(3))[:40]
        for text in ("", "no array", None, 5, arrays[name][: len(arrays[name]) // 2], objects):
            with pytest.raises(fc.CoresetError, match=unreadable):
                read(lambda stored, name=name, text=text: stored["arrays"].update({name: text}))
        whole = fou.deserialize_numpy_array(arrays[name], ascii=True)
        for other in (np.concatenate([whole, whole]), whole[None]):
            with pytest.raises(fc.CoresetError, match=r"^run 'coreset' is damaged \(array '.*' has shape "):
                read(lambda stored, name=name, other=other: stored["arrays"].update({name: pack(other)}))
        with pytest.raises(fc.CoresetError, match=rf"array '{name}' holds values of type <U"):
            read(lambda stored, name=name, whole=whole: stored["arrays"].update({name: pack(whole.astype(str))}))


def test_ranks_that_are_no_ranking(run):
    results, _, read = run
    with pytest.raises(fc.CoresetError, match=r"array 'rank' does not hold a rank of its own for each of the 40 rows"):
        read(lambda stored: stored["arrays"].update(rank=pack(np.zeros_like(results.rank))))


@pytest.mark.parametrize("arrays", [None, [], "text"])
def test_no_arrays_at_all(run, arrays):
    with pytest.raises(fc.CoresetError, match=rf"is damaged \(its arrays are missing\); {REMEDY}"):
        run[2](lambda stored: stored.update(arrays=arrays))


def test_arrays_of_a_newer_version_are_passed_over(run):
    results, _, read = run
    newer = {"first_seen_at": pack(np.zeros(40)), "curve_more": pack(np.zeros(2)), "unheard_of": pack(np.zeros(1))}
    again = read(lambda stored: stored["arrays"].update(newer))
    np.testing.assert_array_equal(again.rank, results.rank)


@pytest.mark.parametrize("version", ["2", None, 2.5])
def test_odd_format_versions(embedded, quick, version):
    dataset = embedded()
    fc.compute_coreset(dataset, "emb", **quick)
    document = dataset._doc.get_brain_methods()["coreset"]
    get_db_conn().runs.update_one({"_id": document.id}, {"$set": {"config.format_version": version}})
    with pytest.raises(fc.CoresetError, match=rf"is damaged \(its format version is {version!r}\); {REMEDY}"):
        fc.load_run(dataset, "coreset")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"cls": "fiftyone_coreset.plugin.results.CoresetRes', "its results cannot be read"),
        (b"\xff\xfe no JSON", "its results cannot be read"),
        (b"{}", "its results are of no coreset run"),
        (b"[]", "its results cannot be read"),
    ],
)
def test_results_that_are_no_json_of_ours(embedded, quick, text, message):
    dataset = embedded()
    fc.compute_coreset(dataset, "emb", **quick)
    document = dataset._doc.get_brain_methods()["coreset"]
    document.results.replace(text, content_type="application/json")
    document.save()
    dataset._brain_cache.clear()
    with pytest.raises(fc.CoresetError, match=rf"^run 'coreset' is damaged \({message}\); {REMEDY}$"):
        fc.load_run(dataset, "coreset")
    assert fc.compute_coreset(dataset, "emb", **quick, overwrite=True).rank.shape == (40,)
    assert Coreset.load_run_results(dataset, "coreset").rank.shape == (40,)
