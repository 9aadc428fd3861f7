"""Scores of a run: the same bits however the work is split, and those of ``zcore_scores`` up to rounding."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from fiftyone_coreset.plugin import scale
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.scale import columns as scale_columns
from fiftyone_coreset.plugin.scale.parts import Stage, footer
from fiftyone_coreset.plugin.scale.scoring import read_scores
from fiftyone_coreset.plugin.selection.methods.zcore import columns as zcore_columns
from fiftyone_coreset.plugin.selection.methods.zcore.scores import zcore_scores
from scipy.stats import spearmanr

RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(600, 12)).astype(np.float32) * RNG.gamma(1, 1, (600, 1)).astype(np.float32)
HOLES = [None if row % 97 == 3 else vector for row, vector in enumerate(VECTORS)]
N_DRAWS = 40_000


def scores(run, **arguments):
    """All scores as one (3, n) array, made anew."""
    shutil.rmtree(run.folder / "score", ignore_errors=True)
    for share in arguments.pop("shares", [None]):
        scale.score(run.folder, n_draws=N_DRAWS, seed=3, units=share, **arguments)
    table = read_scores(run)
    assert table["id"].to_pylist() == list(range(len(VECTORS)))
    return np.stack([table[name].to_numpy() for name in ("score", "coverage", "redundancy")])


def test_the_bits_do_not_depend_on_how_the_work_is_split(vector_run):
    run = vector_run(HOLES, rows_per_unit=130)
    expected = scores(run, n_units=1, num_workers=1)
    for split in (
        {"n_units": 3, "num_workers": 2},
        {"n_units": 7, "shares": ["3/3", "1/3", "2/3"]},
        {"n_units": 7, "num_workers": 3, "shares": ["2/2", "1/2"]},
    ):
        assert np.array_equal(scores(run, **split), expected, equal_nan=True), split
    other = vector_run(HOLES, rows_per_unit=600, name="other")
    assert np.array_equal(scores(other, n_units=3), expected, equal_nan=True)


def test_they_are_those_of_zcore_scores_up_to_rounding(vector_run):
    found = scores(vector_run(HOLES, rows_per_unit=130))
    ours = zcore_scores(HOLES, n_draws=N_DRAWS, seed=3)
    assert np.array_equal(np.isnan(found[0]), np.isnan(ours.score))
    for measured, expected in zip(found, (ours.score, ours.coverage, ours.redundancy), strict=True):
        np.testing.assert_allclose(measured, expected, rtol=0, atol=N_DRAWS * 2**-31)
    assert np.array_equal(np.argsort(found[0]), np.argsort(ours.score))


def test_the_reliability_is_that_of_zcore_scores(vector_run):
    run = vector_run(VECTORS, rows_per_unit=200)
    scores(run)
    stage = Stage.load(run.folder / "score")
    facts = footer(stage.folder / "scores.parquet", stage.key)
    ours = zcore_scores(VECTORS, n_draws=N_DRAWS, seed=3)
    assert facts["n_draws"] == N_DRAWS
    assert facts["reliability"] == pytest.approx(ours.reliability, abs=1e-9)


@pytest.mark.parametrize(
    ("asked", "same"),
    [
        ({"reliability": 0.9}, {"target_reliability": 0.9}),
        ({"budgets": ["10%", 200], "target_overlap": 0.8}, {"budgets": [200, 0.1], "target_overlap": 0.8}),
    ],
    ids=["reliability", "budgets"],
)
def test_draws_are_added_until_they_agree(vector_run, asked, same):
    run = vector_run(HOLES, rows_per_unit=130)
    ours = zcore_scores(HOLES, seed=3, **same, time_budget=None)

    def found(shares=("1/1",), **arguments):
        shutil.rmtree(run.folder / "score", ignore_errors=True)
        calls = 0
        while True:
            for share in shares:
                state = scale.score(run.folder, **asked, seed=3, units=share, **arguments)
                calls += 1
            if state.complete:
                break
            assert not (run.folder / "score" / "scores.parquet").exists()
        return np.stack([read_scores(run)[name].to_numpy() for name in ("score", "coverage", "redundancy")]), calls

    expected, calls = found(n_units=3)
    assert calls == 1
    stage = Stage.load(run.folder / "score")
    facts = footer(stage.folder / "scores.parquet", stage.key)
    assert facts["n_draws"] == ours.n_draws
    assert facts["reliability"] == pytest.approx(ours.reliability, abs=1e-6)
    assert facts[ours.goal.name] == pytest.approx(ours.reached, abs=2e-3)
    assert facts[ours.goal.name] >= ours.goal.target
    np.testing.assert_allclose(expected[0], ours.score, rtol=0, atol=1e-3)
    assert "score: " in str(scale.status(run.folder))
    again, calls = found(shares=("2/2", "1/2"), n_units=2, num_workers=1)
    assert calls > 2
    assert np.array_equal(again, expected, equal_nan=True)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"reliability": 1}, "reliability must lie between 0 and 1, got 1"),
        ({"budgets": ["5%"], "target_overlap": 0}, "target_overlap must lie between 0 and 1, got 0"),
        ({"budgets": "5%"}, r"budgets must be a list such as \['10%'\], got '5%'"),
        ({"budgets": []}, r"budgets must be a list such as \['10%'\], got \[\]"),
        ({"budgets": [601]}, "budget 601 exceeds the 600 images"),
        ({"budgets": [5], "n_draws": 9}, "give one of n_draws, reliability and budgets"),
        ({"reliability": 0.5, "n_draws": 9}, "give one of n_draws, reliability and budgets"),
    ],
)
def test_what_decides_the_number_of_draws_is_checked(vector_run, asked, said):
    with pytest.raises(CoresetError, match=said):
        scale.score(vector_run(VECTORS, rows_per_unit=200).folder, **asked)


def test_it_continues_where_it_stopped(vector_run):
    run = vector_run(HOLES, rows_per_unit=130)
    expected = scores(run)
    part = run.folder / "score" / "part-00000002.parquet"
    kept = run.folder / "score" / "part-00000001.parquet"
    before = kept.stat().st_mtime_ns
    part.unlink()
    (run.folder / "score" / "scores.parquet").unlink()
    state = scale.score(run.folder, n_draws=N_DRAWS, seed=3, units="1/4")
    assert state.missing == [2]
    assert not (run.folder / "score" / "scores.parquet").exists()
    shutil.rmtree(run.folder / "columns")
    assert scale.score(run.folder, n_draws=N_DRAWS, seed=3).complete
    assert kept.stat().st_mtime_ns == before
    table = read_scores(run)
    assert np.array_equal(table["score"].to_numpy(), expected[0], equal_nan=True)


def test_16_bits_a_number(vector_run):
    """Two bytes a number, and nothing is lost where each value may have a level of its own."""
    run = vector_run(HOLES, rows_per_unit=130)
    assert np.array_equal(scores(run, column_bits=16), scores(run), equal_nan=True)
    n, d = sum(vector is not None for vector in HOLES), VECTORS.shape[1]
    assert (run.folder / "columns16" / "values.u16").stat().st_size == 2 * n * d
    scores(run, column_bits=16)
    with pytest.raises(
        CoresetError, match="score was made with column_bits=16, which is not asked for now; use the same"
    ):
        scale.score(run.folder, n_draws=N_DRAWS, seed=3)
    with pytest.raises(CoresetError, match="column_bits must be 32 or 16, got 8"):
        scale.score(run.folder, column_bits=8)


def test_more_rows_than_levels(vector_run, monkeypatch):
    """The scores are nearly those of float32, and have the same bits for any split."""
    exact = scores(vector_run(HOLES, rows_per_unit=130))
    monkeypatch.setattr(zcore_columns, "_LEVELS", 256)
    monkeypatch.setattr(scale_columns, "_SAMPLE_ROWS", 300)
    run = vector_run(HOLES, rows_per_unit=130, name="packed")
    expected = scores(run, column_bits=16, n_units=1, num_workers=1)
    other = vector_run(HOLES, rows_per_unit=600, name="other")
    for split in ({"n_units": 7, "num_workers": 3, "shares": ["2/2", "1/2"]}, {"n_units": 3}):
        for somehow in (run, other):
            assert np.array_equal(scores(somehow, column_bits=16, **split), expected, equal_nan=True), split
    assert np.array_equal(np.isnan(expected), np.isnan(exact))
    usable = ~np.isnan(exact[0])
    assert not np.array_equal(expected[0], exact[0], equal_nan=True)
    assert spearmanr(expected[0, usable], exact[0, usable]).statistic > 0.95


@pytest.mark.parametrize("constant", [False, True])
def test_values_are_packed_as_the_nearest_level(monkeypatch, constant):
    monkeypatch.setattr(zcore_columns, "_LEVELS", 64)
    values = np.full(1_000, 3, dtype=np.float32) if constant else RNG.standard_t(2, 1_000).astype(np.float32)
    values[200:400] = values[0]
    levels = zcore_columns.find_levels(values)
    assert len(levels) == 64
    assert (np.diff(levels) >= 0).all()
    assert (levels[0], levels[-1], levels.dtype) == (values.min(), values.max(), np.float32)
    found = levels[zcore_columns.pack(values[:, None], levels[None])[0]]
    nearest = np.abs(values[:, None].astype(float) - levels).min(axis=1)
    np.testing.assert_array_equal(np.abs(values.astype(float) - found), nearest)


def test_values_that_differ_by_one_bit_are_told_apart():
    values = np.array([1, 1, 1 + 2**-23, 1 + 2**-22, -1, -1 + 2**-24], dtype=np.float32)
    levels = zcore_columns.find_levels(values)
    assert np.array_equal(levels[zcore_columns.pack(values[:, None], levels[None])[0]], values)


@pytest.mark.parametrize("shape", [(50, 1), (50, 3)])
def test_a_dimension_that_never_varies_is_left_out(vector_run, shape):
    vectors = RNG.normal(size=shape)
    vectors[:, 1:2] = 7
    run = vector_run(vectors, rows_per_unit=20)
    found = []
    for bits in (32, 16):
        scale.score(run.folder, n_draws=2_000, n_neighbors=5, column_bits=bits)
        found.append(read_scores(run)["score"].to_numpy())
        shutil.rmtree(run.folder / "score")
    assert np.array_equal(*found)


@pytest.mark.parametrize(
    ("bits", "name"),
    [(32, name) for name in ("values.f32", "codes.u8", "rows.npy", "tables.npz")]
    + [(16, "values.u16"), (16, "levels.npy"), (16, "tables.npz")],
)
def test_columns_that_are_damaged_are_named(vector_run, bits, name):
    run = vector_run(VECTORS[:50], rows_per_unit=50)
    scale.score(run.folder, n_draws=500, column_bits=bits)
    (run.folder / "score" / "part-00000001.parquet").unlink()
    folder = run.folder / {32: "columns", 16: "columns16"}[bits]
    (folder / name).write_bytes((folder / name).read_bytes()[:20])
    with pytest.raises(CoresetError, match=rf"{folder.name} is damaged .*; delete it and score again"):
        scale.score(run.folder, n_draws=500, column_bits=bits)
    shutil.rmtree(folder)
    assert scale.score(run.folder, n_draws=500, column_bits=bits).complete


def test_vectors_that_changed_are_refused(vector_run):
    run = vector_run(VECTORS)
    scores(run)
    shutil.rmtree(run.embeddings.folder)
    with pytest.raises(CoresetError, match=r"embeddings/stage.json; run the step before first"):
        scale.score(run.folder, n_draws=N_DRAWS, seed=3)
    shutil.rmtree(run.folder / "manifest")
    (run.folder / "run.json").unlink()
    changed = vector_run(VECTORS[::-1])
    with pytest.raises(CoresetError, match=r"score was made with input='\w+', not '\w+'; use the same"):
        scale.score(changed.folder, n_draws=N_DRAWS, seed=3)
    shutil.rmtree(run.folder / "score")
    with pytest.raises(CoresetError, match=r"columns was made with input="):
        scale.score(changed.folder, n_draws=N_DRAWS, seed=3)


def test_what_is_refused(vector_run):
    run = vector_run(VECTORS)
    with pytest.raises(CoresetError, match="n_draws must be at least 1, got 0"):
        scale.score(run.folder, n_draws=0)
    run.embeddings.path(4).unlink()
    with pytest.raises(CoresetError, match=r"1 of 60 parts of .* are missing; run scale embed to complete them"):
        scale.score(run.folder)
    same = vector_run(np.ones((20, 3)), name="same")
    with pytest.raises(CoresetError, match="all 20 usable vectors are identical"):
        scale.score(same.folder)
    single = vector_run([VECTORS[0], None], name="single")
    with pytest.raises(CoresetError, match="1 of 2 rows have a vector, but ZCore compares at least 2"):
        scale.score(single.folder)
