"""Runs of vectors that were given: what they tell in another process, and what is said if they are too many to keep."""

import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone_coreset.plugin.vectors import half

QUICK = {"method": "kcenter", "projection": None, "progress": False, "overwrite": True}

_OTHER_PROCESS = """
import sys
import fiftyone as fo
import fiftyone_coreset as fc
run = fc.load_run(fo.load_dataset(sys.argv[1]), "coreset")
print(run.report(5).to_dict() | {"explained": str(run.explain(run.ids[3], 5))})
"""


@pytest.fixture
def vectors():
    return np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)


def as_array(dataset, vectors, folder):
    return vectors


def as_memmap(dataset, vectors, folder):
    np.save(folder / "vectors.npy", vectors)
    return str(folder / "vectors.npy")


def as_dict(dataset, vectors, folder):
    return dict(zip(dataset.values("id"), vectors, strict=True))


@pytest.mark.parametrize("given", [as_array, as_memmap, as_dict])
def test_another_reader_of_the_run_has_the_vectors(embedded, vectors, tmp_path, given):
    dataset = embedded(len(vectors))
    run = fc.compute_coreset(dataset, given(dataset, vectors, tmp_path), **QUICK)
    said = (run.report(5).to_dict(), str(run.explain(run.ids[3], 5)), run.budget("80% coverage"))
    assert run.has_embeddings
    (tmp_path / "vectors.npy").unlink(missing_ok=True)
    dataset.clear_cache()
    again = fc.load_run(dataset, "coreset")
    assert again is not run
    assert (again.report(5).to_dict(), str(again.explain(again.ids[3], 5)), again.budget("80% coverage")) == said
    np.testing.assert_allclose(again.embeddings(), vectors, atol=2e-3)


def test_another_process_has_them(embedded, vectors, in_new_process):
    dataset = embedded(len(vectors))
    dataset.persistent = True
    run = fc.compute_coreset(dataset, vectors, **QUICK)
    expected = str(run.report(5).to_dict() | {"explained": str(run.explain(run.ids[3], 5))})
    assert in_new_process(_OTHER_PROCESS, dataset.name).strip().splitlines()[-1:] == [expected]


def test_deleted_images_have_no_vectors(embedded, vectors):
    dataset = embedded(len(vectors))
    fc.compute_coreset(dataset, vectors, **QUICK)
    dataset.delete_samples(dataset[:3].values("id"))
    dataset.clear_cache()
    run = fc.load_run(dataset, "coreset")
    assert np.isnan(run.embeddings()).all(axis=1).tolist() == [row < 3 for row in range(30)]
    assert len(fc.near_duplicates(dataset, run.source(), progress=False).samples) == 27


def test_too_many_are_announced_and_missed_later(embedded, vectors, monkeypatch, caplog):
    monkeypatch.setattr(half, "MAX_STORED", 100)
    dataset = embedded(len(vectors))
    run = fc.compute_coreset(dataset, vectors, **QUICK)
    assert "are more than the 0 MiB that a run stores, so reports, explanations" in caplog.text
    assert len(run.report(5).to_dict())
    dataset.clear_cache()
    run = fc.load_run(dataset, "coreset")
    assert not run.has_embeddings
    assert len(run.view(5)) == 5
    with pytest.raises(fc.CoresetError, match="computed from vectors that were given, which are not stored"):
        run.report(5)


def test_fields_are_not_stored_twice(embedded):
    run = fc.compute_coreset(embedded(), "emb", **QUICK)
    assert "vectors" not in run.serialize()["arrays"]
