"""Near-copies in runs of several cells, and `auto`, which decides for all cells together."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from fiftyone_coreset.plugin import scale
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.scale import cells
from fiftyone_coreset.plugin.scale.reading import read_reading
from fiftyone_coreset.plugin.selection.methods.auto import zcore_trust
from fiftyone_coreset.plugin.selection.registry import get_method
from fiftyone_coreset.plugin.vectors.neighbors import unit_rows

N_DISTINCT = 1_000
RNG = np.random.default_rng(0)
ORIGINALS = np.concatenate([np.arange(N_DISTINCT), RNG.permutation(N_DISTINCT)[:600]])
#: One cloud with near-copies, at a tenth of the distance to the nearest other row.
POOL = (RNG.normal(size=(N_DISTINCT, 8))[ORIGINALS] + RNG.normal(0, 0.05, (len(ORIGINALS), 8))).astype(np.float32)


@pytest.fixture
def burst_run(vector_run):
    """A run without clusters, so that borders of cells go through dense places."""
    return vector_run(POOL, rows_per_unit=700)


def ranked(run, method, shares=(None,), **arguments):
    """The rows that a selection keeps, made anew."""
    shutil.rmtree(run.folder / "select", ignore_errors=True)
    for share in shares:
        state = scale.select(run.folder, method, units=share, **arguments)
    assert state.complete
    table = scale.read_ranking(run.folder, method)
    assert len(set(table["cell"].to_pylist())) > 1
    return table["row"].to_numpy()


def second_copies(rows):
    """How many rows come after another copy of the same, among the first of as many rows as differ."""
    return N_DISTINCT - len(set(ORIGINALS[rows[:N_DISTINCT]].tolist()))


def test_copies_on_both_sides_of_a_border_are_found(burst_run, monkeypatch):
    arguments = {"keep": 1.0, "rows_per_cell": 200, "deduplicate": True}
    rows = ranked(burst_run, "stratified", **arguments)
    assert sorted(rows.tolist()) == list(range(len(POOL)))
    found = second_copies(rows)

    def nowhere(Z, centers, own):
        return own, np.full(len(Z), np.inf)

    monkeypatch.setattr(cells, "_second_cells", nowhere)
    missed = second_copies(ranked(burst_run, "stratified", **arguments))
    assert missed > 0.01 * N_DISTINCT
    assert found < missed / 4


def test_the_split_does_not_show_and_prefixes_are_selections(burst_run):
    arguments = {"rows_per_cell": 500, "seed": 1}
    expected = ranked(burst_run, "auto", keep=1_300, **arguments)
    found = ranked(burst_run, "auto", ["2/3", "1/3", "3/3"] * 3, keep=1_300, num_workers=1, **arguments)
    assert np.array_equal(found, expected)
    assert np.array_equal(ranked(burst_run, "auto", keep=200, **arguments), expected[:200])


def clustered(n, d, n_clusters):
    """Clusters of unequal size and width."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(n_clusters, d))
    label = rng.choice(n_clusters, n, p=rng.dirichlet(np.ones(n_clusters)))
    return (centers[label] + rng.normal(size=(n, d)) * rng.uniform(0.05, 0.5, n_clusters)[label, None]).astype(
        np.float32
    )


def test_auto_covers_as_well_as_on_one_machine(vector_run):
    """Beside what chance leaves uncovered."""
    vectors = clustered(2_500, 8, 5)
    run, Z = vector_run(vectors, rows_per_unit=1_000), unit_rows(vectors)[0]
    by_cells = ranked(run, "auto", keep=250, rows_per_cell=600)
    central = get_method("auto").select(vectors, 250, seed=0).indices
    chance = np.random.default_rng(1).permutation(len(Z))
    for k in (50, 250):
        missing = [float((1 - (Z @ Z[order[:k]].T).max(axis=1)).mean()) for order in (by_cells, central, chance)]
        assert missing[2] - missing[0] >= 0.9 * (missing[2] - missing[1])


def test_bursts_count_as_the_root_of_their_images(vector_run):
    """Bursts of eight in one place, single images in another; one image of each burst, as on one machine."""
    rng = np.random.default_rng(0)
    bursts = np.repeat(rng.normal(size=(150, 8)) + 4 * np.eye(8)[0], 8, axis=0) + rng.normal(0, 0.01, (1_200, 8))
    vectors = np.concatenate([bursts, rng.normal(size=(300, 8)) - 4 * np.eye(8)[1]]).astype(np.float32)
    central = get_method("auto").select(vectors, 150, seed=0)
    assert central.details["bursts"]
    run = vector_run(vectors, rows_per_unit=1_500)
    rows = ranked(run, "auto", keep=150, rows_per_cell=300)
    assert read_reading(run.folder / "select" / "auto" / "reading.npz").clear
    for k in (50, 100, 150):
        assert np.mean(rows[:k] >= 1_200) == pytest.approx(300 / (300 + 150 * 8**0.5), abs=0.06)
    for order in (rows, central.indices):
        bursts_kept = order[order < 1_200] // 8
        assert len(set(bursts_kept.tolist())) == len(bursts_kept)


def test_where_zcore_is_trusted_its_scores_are_followed(vector_run, monkeypatch):
    monkeypatch.setattr(zcore_trust, "trusts_zcore", lambda *_: True)
    vectors = clustered(1_500, 8, 5)
    run = vector_run(vectors, rows_per_unit=500)
    arguments = {"keep": 150, "rows_per_cell": 500}
    with pytest.raises(CoresetError, match=r"auto chooses by its scores; run scale score first, then select again"):
        scale.select(run.folder, "auto", **arguments)
    scale.score(run.folder, n_draws=75_000, n_neighbors=100)
    scale.select(run.folder, "auto", **arguments)
    rows = scale.read_ranking(run.folder, "auto")["row"].to_numpy()
    scale.select(run.folder, "zcore", keep=150)
    highest = set(scale.read_ranking(run.folder, "zcore")["row"].to_pylist())
    assert len(highest & set(rows.tolist())) > 75
    assert np.array_equal(ranked(run, "auto", keep=40, rows_per_cell=500), rows[:40])
    scale.select(run.folder, "auto", name="again", **arguments)
    (run.folder / "select" / "again" / "ranking.parquet").unlink()
    shutil.rmtree(run.folder / "score")
    scale.score(run.folder, n_draws=1_000)
    with pytest.raises(CoresetError, match="was made with scores="):
        scale.select(run.folder, "auto", name="again", **arguments)


def test_damage_of_what_was_decided_is_named(burst_run):
    ranked(burst_run, "auto", keep=20, rows_per_cell=500)
    folder = burst_run.folder / "select" / "auto"
    (folder / "ranking.parquet").unlink()
    (folder / "reading.npz").write_bytes(b"nothing")
    with pytest.raises(CoresetError, match=r"reading.npz is damaged .*; delete its folder and select again"):
        scale.select(burst_run.folder, "auto", keep=20, rows_per_cell=500)
