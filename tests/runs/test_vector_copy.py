"""A run's own copy of its vectors: updates say with it what they say without it, and it lives and dies with the run."""

from __future__ import annotations

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest
from bson import ObjectId
from fiftyone.core.odm import get_db_conn
from fiftyone_coreset.plugin.dataset.embeddings import EmbeddingSource
from fiftyone_coreset.plugin.dataset.vector_copy import read_copy
from fiftyone_coreset.plugin.owning_run import save_config
from fiftyone_coreset.plugin.runs import ranked_vectors

OPTIONS = {"method": "kcenter", "projection": "pca", "progress": False}


def add(made, vectors):
    samples = [fo.Sample(filepath=f"/nowhere/new{len(made)}_{row}.png") for row in range(len(vectors))]
    ids = made.add_samples(samples, progress=False)
    made.select(ids).set_values("emb", [None if vector is None else np.float32(vector) for vector in vectors])
    return ids


def fresh(made, key="coreset"):
    made.clear_cache()
    return fc.load_run(made, key)


def files_of(made, results):
    owner = {"coreset_run": results.config.run_id, "coreset_dataset": made._doc.id}
    return {str(file["_id"]) for file in get_db_conn().fs.files.find(owner)}


def unit(rows):
    rows = np.asarray(rows, dtype=float)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def copied(results):
    return read_copy(results.config.vector_copies, len(results))


def without_copy(made, key):
    """The run as a version that kept no copy has left it."""
    results = fresh(made, key)
    results.config.vector_copies = []
    save_config(made, key, results.config)
    return fresh(made, key)


def clustered(rng):
    return rng.normal(size=(6, 12))[rng.integers(6, size=90)] + 0.05 * rng.normal(size=(90, 12))


def scattered(rng):
    return rng.normal(size=(90, 12))


def copies_of_few(rng):
    return rng.normal(size=(4, 12))[rng.integers(4, size=90)]


def closer_than_half_precision(rng):
    return rng.normal(size=(6, 12))[rng.integers(6, size=90)] + 1e-4 * rng.normal(size=(90, 12))


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize("rows_of", [clustered, scattered, copies_of_few, closer_than_half_precision])
def test_an_update_says_what_it_says_of_all_vectors(dataset, rows_of, gone):
    rows = rows_of(np.random.default_rng(3)).astype(np.float32)
    made = dataset([f"/nowhere/{row}.png" for row in range(60)])
    made.set_values("emb", list(rows[:60]))
    for key in ("with_it", "without"):
        fc.compute_coreset(made, "emb", key, **OPTIONS)
    for step in (slice(60, 75), slice(75, 90)):
        add(made, rows[step])
        if gone:
            made.delete_samples(made.values("id")[3:8])
        one, other = fresh(made, "with_it"), without_copy(made, "without")
        assert (len(one.config.vector_copies) > 0, other.config.vector_copies) == (True, [])
        done, expected = one.update(), other.update()
        assert (done.ids, done.kinds, done.removed) == (expected.ids, expected.kinds, 5 * gone)
        np.testing.assert_array_equal(one.ids[one.ranking], other.ids[other.ranking])
        np.testing.assert_allclose(one.points, other.points, atol=1e-4)
        for name, values in other.curve().to_arrays().items():
            np.testing.assert_allclose(one.curve().to_arrays()[name], values, atol=2e-3)
        np.testing.assert_array_equal(one.first_cover().covered_at, other.first_cover().covered_at)
        np.testing.assert_allclose(copied(one), unit(one.embeddings()), atol=2**-11)
        assert len(one.config.vector_copies) == (1 if gone else 2 + (step.start == 75))


def test_on_a_map_by_umap_a_copy_lies_where_its_image_does(embedded):
    made = embedded()
    results = fc.compute_coreset(made, "emb", **OPTIONS | {"projection": "umap"})
    (copy,) = add(made, [2 * np.asarray(made.values("emb")[5])])
    points, first = results.points.copy(), results.ids.tolist()
    results = fresh(made)
    results.update()
    assert results.config.projection == "umap"
    place = points[first.index(made.values("id")[5])]
    np.testing.assert_allclose(results.points[results.ids.tolist().index(copy)], place, atol=1e-3)


def test_what_lies_a_hundred_thousandth_within_the_radius_is_told_from_what_lies_beyond(embedded):
    made = embedded()
    radius = fc.compute_coreset(made, "emb", **OPTIONS).curve().near_duplicate_radius
    pool, rng = unit(np.stack(made.values("emb"))), np.random.default_rng(0)
    across = rng.normal(size=(20, pool.shape[1]))
    across = unit(across - (across * pool[:20]).sum(axis=1, keepdims=True) * pool[:20])
    distance = radius * (1 + np.where(np.arange(20) % 2, 1e-5, -1e-5))
    cosine = (1 - distance**2 / 2)[:, None]
    added = (cosine * pool[:20] + np.sqrt(1 - cosine**2) * across).astype(np.float32)
    ids = add(made, 3 * added)
    done = fresh(made).update()
    kinds = dict(zip(done.ids, done.kinds, strict=True))
    rows = np.concatenate([pool, unit(added)])
    nearest = [np.linalg.norm(rows[: 40 + row] - rows[40 + row], axis=1).min() for row in range(20)]
    expected = ["look-alike" if far <= radius else "new" for far in nearest]
    assert [kinds[row_id] for row_id in ids] == expected
    assert set(expected[1::2]) == {"new", *expected[1::2]}, "some lie just beyond it"


def test_few_vectors_are_read(dataset, monkeypatch):
    rng = np.random.default_rng(0)
    made = dataset([f"/nowhere/{row}.png" for row in range(400)])
    made.set_values("emb", list(rng.normal(size=(400, 8)).astype(np.float32)))
    fc.compute_coreset(made, "emb", **OPTIONS | {"projection": None})
    add(made, rng.normal(size=(2, 8)))
    read, matrix_of = [], EmbeddingSource.matrix_of

    def counted(source, rows, ids):
        read.append(len(ids))
        return matrix_of(source, rows, ids)

    monkeypatch.setattr(EmbeddingSource, "matrix_of", counted)
    results = fresh(made)
    results.update()
    assert sum(read) < 100
    results.report(20)
    assert read[-1] == 402, "figures are of what the field has"


@pytest.mark.parametrize("checked", [64, 1])
@pytest.mark.parametrize("new", ["moved", None])
def test_changed_vectors_are_noticed_and_read(embedded, monkeypatch, checked, new):
    monkeypatch.setattr(ranked_vectors, "_CHECKED", checked)
    made = embedded()
    radius = fc.compute_coreset(made, "emb", **OPTIONS).curve().near_duplicate_radius
    was = np.asarray(made.values("emb")[7])
    away = np.float32(-10 * np.ones(6))
    made.select(made.values("id")[7]).set_values("emb", [None if new is None else away])
    ids = add(made, [was, away])
    done = fresh(made).update()
    kinds = dict(zip(done.ids, done.kinds, strict=True))
    before = [np.asarray(vector) for vector in made.values("emb")[:40] if vector is not None]
    for row, vector in enumerate([was, away]):
        nearest = np.linalg.norm(unit(before) - unit([vector]), axis=1).min()
        assert kinds[ids[row]] == ("look-alike" if nearest <= radius else "new")
        before.append(vector)
    copy = copied(fresh(made))
    assert np.isnan(copy[7]).all() == (new is None)
    if new is not None:
        np.testing.assert_allclose(copy[7], unit([away])[0], atol=2**-11)


def test_a_copy_that_is_gone_is_made_anew(embedded):
    made = embedded()
    results = fc.compute_coreset(made, "emb", **OPTIONS)
    get_db_conn().fs.chunks.delete_many({"files_id": ObjectId(results.config.vector_copies[0])})
    assert copied(results) is None
    add(made, np.eye(6)[:2])
    results = fresh(made)
    assert results.update().kinds == ["new", "new"]
    np.testing.assert_allclose(copied(results), unit(results.embeddings()), atol=2**-11)


def test_it_lives_and_dies_with_the_run(embedded):
    made = embedded()
    results = fc.compute_coreset(made, "emb", **OPTIONS)
    assert len(files_of(made, results)) == 2
    add(made, np.eye(6)[:2])
    fresh(made).update()
    made.rename_brain_run("coreset", "other")
    add(made, np.eye(6)[2:4])
    results = fresh(made, "other")
    results.update()
    assert files_of(made, results) > set(results.config.vector_copies)
    assert (len(files_of(made, results)), len(results.config.vector_copies)) == (4, 3)
    results = fc.compute_coreset(made, "emb", "other", overwrite=True, **OPTIONS)
    assert (len(files_of(made, results)), len(results.config.vector_copies)) == (2, 1)
    made.delete_brain_run("other")
    assert files_of(made, results) == set()


def test_a_clone_goes_on_without_the_run_it_was_cloned_from(embedded):
    made = embedded()
    results = fc.compute_coreset(made, "emb", **OPTIONS)
    twin = made.clone()
    add(twin, np.eye(6)[:2])
    assert len(fresh(twin).update().ids) == 2
    made.delete_brain_run("coreset")
    assert files_of(made, results) == set()
    add(twin, np.eye(6)[2:4])
    ours = fresh(twin)
    assert len(ours.update().ids) == 2
    assert len(ours.config.vector_copies) == 1, "all were read again"
    np.testing.assert_allclose(copied(ours), unit(ours.embeddings()), atol=2**-11)


@pytest.mark.parametrize("what", ["dataset", "run"])
def test_that_of_a_run_deleted_without_this_package_goes_with_the_next_run(embedded, monkeypatch, what):
    made, other = embedded(), embedded()
    kept = fc.compute_coreset(other, "emb", "kept", **OPTIONS).config.vector_copies[0]
    (left,) = fc.compute_coreset(made, "emb", **OPTIONS).config.vector_copies
    if what == "dataset":
        made.delete()
    else:
        with monkeypatch.context() as patched:
            patched.setattr("fiftyone_coreset.plugin.brain.Coreset.cleanup", lambda *args: None)
            made.delete_brain_run("coreset")
    assert {left, kept} <= {str(name) for name in get_db_conn().fs.files.distinct("_id")}
    fc.compute_coreset(other, "emb", **OPTIONS)
    names = {str(name) for name in get_db_conn().fs.files.distinct("_id")}
    assert kept in names
    assert left not in names


def test_a_killed_update_leaves_none_behind(embedded, monkeypatch):
    made = embedded()
    results = fc.compute_coreset(made, "emb", **OPTIONS)
    before = files_of(made, results)
    add(made, np.eye(6)[:2])

    def die(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("fiftyone_coreset.plugin.runs.write.commit_run", die)
        patched.setattr("fiftyone_coreset.plugin.runs.write._undo", die)
        with pytest.raises(KeyboardInterrupt):
            results.update()
    assert len(files_of(made, results)) == 4
    results = fresh(made)
    assert results.config.vector_copies == fresh(made).config.vector_copies
    assert set(results.config.vector_copies) < before
    assert len(results.update().ids) == 2
    assert len(files_of(made, results)) == 3
    np.testing.assert_allclose(copied(results), unit(results.embeddings()), atol=2**-11)


def test_vectors_that_are_given_or_of_two_fields_have_none(embedded):
    made = embedded()
    made.set_values("other", [np.float32(row) + np.arange(3.0) for row in range(40)])
    both = fc.compute_coreset(made, ["emb", "other"], "both", **OPTIONS)
    given = fc.compute_coreset(made, np.stack(made.values("emb")), "given", **OPTIONS)
    assert both.config.vector_copies == given.config.vector_copies == []
