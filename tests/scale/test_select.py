"""Selections of a run: cell by cell as good as at once, the same however the work is split, and nested."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from fiftyone_coreset.plugin import scale
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.scale.turns import merge_turns, turn_counts
from fiftyone_coreset.plugin.selection.apportion import take_turns
from fiftyone_coreset.plugin.selection.registry import get_method
from fiftyone_coreset.plugin.vectors.neighbors import unit_rows


def clustered(n: int, d: int, n_clusters: int, seed: int = 0) -> np.ndarray:
    """Clusters of unequal size and width."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(n_clusters, d))
    label = rng.choice(n_clusters, n, p=rng.dirichlet(np.ones(n_clusters)))
    return (centers[label] + rng.normal(size=(n, d)) * rng.uniform(0.05, 0.5, n_clusters)[label, None]).astype(
        np.float32
    )


SMALL = clustered(900, 8, 12)


def chosen(run, method, **arguments):
    """The ids that a selection keeps, made anew."""
    shutil.rmtree(run.folder / "select", ignore_errors=True)
    for share in arguments.pop("shares", [None]):
        state = scale.select(run.folder, method, units=share, **arguments)
    assert state.complete
    table = scale.read_ranking(run.folder, arguments.get("name", method))
    assert table["rank"].to_pylist() == list(range(len(table)))
    assert table["row"].to_pylist() == table["id"].to_pylist()
    assert table["uri"].to_pylist() == [f"/images/{number}.jpg" for number in table["id"].to_pylist()]
    return table["id"].to_numpy()


def similarity(vectors, kept):
    """The objective of facility location: how similar every row is to its most similar kept row, in all."""
    Z = unit_rows(vectors)[0]
    return sum(((1 + block @ Z[kept].T) / 2).max(axis=1).sum() for block in np.array_split(Z, 20))


@pytest.mark.parametrize("shares", [[0.2, 0.5, 0.3], [8, 1, 1]])
def test_a_cell_gives_its_share_while_it_has_rows(shares):
    sizes, shares = np.array([9, 40, 20]), np.array(shares)
    groups = np.repeat(np.arange(3), sizes)
    expected = take_turns(np.arange(len(groups)), groups, shares)
    for k in range(len(groups) + 1):
        assert np.array_equal(turn_counts(sizes, k, shares), np.bincount(groups[expected[:k]], minlength=3))


@pytest.mark.parametrize("sizes", [[60, 30, 10], [1, 1, 1, 7], [5, 0, 9], [100, 3, 25, 25]])
def test_turns_are_those_of_one_machine(sizes):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    expected = take_turns(np.arange(len(groups)), groups, np.maximum(np.array(sizes), 1))
    for k in range(len(groups) + 1):
        counts = turn_counts(np.array(sizes), k)
        assert counts.sum() == k
        kept = np.bincount(groups[expected[:k]], minlength=len(sizes))
        key = lambda counts: [  # noqa: E731
            (j + 0.5) / size for count, size in zip(counts, sizes, strict=True) for j in range(count)
        ]
        assert sorted(key(counts)) == pytest.approx(sorted(key(kept)))
    places = np.concatenate([np.arange(size) for size in sizes])
    merged = merge_turns(places, groups, np.array(sizes))
    assert np.array_equal(groups[merged], groups[expected])


@pytest.mark.parametrize("method", ["facility_location", "maxherding", "stratified", "auto"])
def test_one_cell_is_one_machine(vector_run, method):
    run = vector_run(SMALL, rows_per_unit=200)
    expected = get_method(method).select(SMALL, 90, seed=5).indices
    assert np.array_equal(chosen(run, method, keep=90, seed=5), expected)


@pytest.mark.parametrize("method", ["facility_location", "stratified", "random"])
def test_the_split_does_not_show_and_prefixes_are_selections(vector_run, method):
    run = vector_run(SMALL, rows_per_unit=130)
    arguments = {"seed": 1, "rows_per_cell": 200}
    expected = chosen(run, method, keep=300, **arguments)
    shares = ["2/3", "1/3", "3/3"] * 2 if method != "random" else ["2/2"]
    assert np.array_equal(chosen(run, method, keep=300, shares=shares, num_workers=1, **arguments), expected)
    assert np.array_equal(chosen(run, method, keep="10%", **arguments), expected[:90])
    assert len(set(expected.tolist())) == 300
    assert not np.array_equal(chosen(run, method, keep=300, seed=2, rows_per_cell=200), expected)


def test_every_cell_gives_its_share(vector_run):
    run = vector_run(SMALL, rows_per_unit=300)
    chosen(run, "facility_location", keep=90, rows_per_cell=200)
    cells = scale.read_ranking(run.folder, "facility_location")["cell"].to_numpy()
    everything = chosen(run, "facility_location", keep=900, rows_per_cell=200)
    assert sorted(everything.tolist()) == list(range(900))
    sizes = np.bincount(scale.read_ranking(run.folder, "facility_location")["cell"].to_numpy())
    assert len(sizes) >= 4
    assert sizes.max() < 900 / 2
    assert np.abs(np.bincount(cells, minlength=len(sizes)) - sizes / 10).max() <= 1


def test_cells_choose_as_well_as_one_machine(vector_run):
    vectors = clustered(10_000, 32, 100)
    run = vector_run(vectors, rows_per_unit=2_500)
    central = get_method("facility_location").select(vectors, 1_000, seed=0).indices
    by_cells = chosen(run, "facility_location", keep=1_000, rows_per_cell=2_000)
    for k in (100, 1_000):
        assert similarity(vectors, by_cells[:k]) / similarity(vectors, central[:k]) >= 0.998


def test_the_highest_scores_come_first(vector_run):
    vectors = [None if row % 50 == 7 else vector for row, vector in enumerate(SMALL)]
    run = vector_run(vectors, rows_per_unit=200)
    with pytest.raises(CoresetError, match=r"score/stage.json; run the step before first"):
        scale.select(run.folder, "zcore")
    scale.score(run.folder, n_draws=5_000)
    from fiftyone_coreset.plugin.scale.scoring import read_scores

    scores = np.nan_to_num(read_scores(run)["score"].to_numpy(), nan=-np.inf)
    found = chosen(run, "zcore", keep=0.5)
    assert len(found) == 441
    assert np.array_equal(scores[found], np.sort(scores)[::-1][:441])


def test_rows_without_a_vector_are_never_kept(vector_run):
    vectors = [None if row % 3 else vector for row, vector in enumerate(SMALL)]
    run = vector_run(vectors, rows_per_unit=200)
    for method in ("random", "stratified", "facility_location"):
        assert sorted(chosen(run, method, keep=1.0, rows_per_cell=100).tolist()) == list(range(0, 900, 3))


GIVEN = [700, 3, 12, 250, 14, 899, 31, 33]


@pytest.mark.parametrize("method", ["facility_location", "maxherding", "stratified", "auto", "random", "zcore"])
def test_what_is_preselected_comes_first(vector_run, method):
    run = vector_run(SMALL, rows_per_unit=200)
    scale.score(run.folder, n_draws=2_000, n_neighbors=50)
    arguments = {"seed": 1, "rows_per_cell": 200, "preselected": GIVEN}
    rows = chosen(run, method, keep=90, **arguments)
    assert rows[: len(GIVEN)].tolist() == GIVEN
    assert len(set(rows.tolist())) == 90
    assert np.array_equal(chosen(run, method, keep=40, **arguments), rows[:40])
    assert np.array_equal(chosen(run, method, keep=90, shares=["2/2", "1/2"] * 2, **arguments), rows)


def test_in_one_cell_the_others_are_chosen_beside_what_is_preselected(vector_run):
    run = vector_run(SMALL, rows_per_unit=200)
    for method in ("facility_location", "stratified"):
        expected = get_method(method).select(SMALL, 90, seed=5, preselected=GIVEN).indices
        assert np.array_equal(chosen(run, method, keep=90, seed=5, preselected=GIVEN), expected)


def test_cells_that_have_given_wait_for_their_turn(vector_run):
    run = vector_run(SMALL, rows_per_unit=300)
    chosen(run, "facility_location", keep=900, rows_per_cell=200)
    cell_of = np.empty(900, dtype=np.int64)
    ranking = scale.read_ranking(run.folder, "facility_location")
    cell_of[ranking["row"].to_numpy()] = ranking["cell"].to_numpy()
    sizes = np.bincount(cell_of)
    given = np.flatnonzero(cell_of == sizes.argmax())[: sizes.max() // 5].tolist()
    rows = chosen(run, "facility_location", keep=90, rows_per_cell=200, preselected=given)
    counts = np.bincount(cell_of[rows], minlength=len(sizes))
    assert counts[sizes.argmax()] == len(given)
    others = np.arange(len(sizes)) != sizes.argmax()
    shares = sizes[others] / sizes[others].sum() * (90 - len(given))
    assert np.abs(counts[others] - shares).max() <= 1


def test_preselected_ids_are_read_from_a_file_and_checked(vector_run, tmp_path):
    vectors = [None if row == 12 else vector for row, vector in enumerate(SMALL)]
    run = vector_run(vectors, rows_per_unit=300)
    file = tmp_path / "ids.txt"
    file.write_text("\n".join(map(str, GIVEN)) + "\n")
    rows = chosen(run, "stratified", keep=20, rows_per_cell=300, preselected=file)
    assert rows[:7].tolist() == [row for row in GIVEN if row != 12]  # it has no vector
    scale.select(run.folder, "kcenter", keep=12, among="stratified", preselected=[899, 5])
    assert scale.read_ranking(run.folder, "kcenter")["row"].to_pylist()[:2] == [899, 5]
    for given, message in (
        ([1, 900, 901], "has no rows of 2 of 3 ids, e.g. 900, 901; its own are like 0"),
        ([1, 2, 1], "1 of 3 ids come more than once"),
        (["a"], "are whole numbers"),
        (list(range(30)), "keep asks for 20 rows, fewer than the 29 that are preselected"),
        (tmp_path / "none.txt", "none.txt cannot be read .*; give a text file with one id a line"),
    ):
        with pytest.raises(CoresetError, match=message):
            scale.select(run.folder, "stratified", keep=20, name="other", preselected=given)
    with pytest.raises(CoresetError, match="was made with preselected="):
        scale.select(run.folder, "stratified", keep=20, rows_per_cell=300, preselected=GIVEN[:2])


def test_it_continues_where_it_stopped(vector_run):
    run = vector_run(SMALL, rows_per_unit=200)
    arguments = {"keep": 90, "rows_per_cell": 200}
    expected = chosen(run, "facility_location", **arguments)
    folder = run.folder / "select" / "facility_location"
    kept = (folder / "part-00000001.parquet").stat().st_mtime_ns
    for name in ("ranking.parquet", "part-00000000.parquet", "cells/part-00000003.parquet"):
        (folder / name).unlink()
    assert scale.select(run.folder, "facility_location", **arguments).complete
    assert np.array_equal(scale.read_ranking(run.folder, "facility_location")["id"].to_numpy(), expected)
    assert (folder / "part-00000001.parquet").stat().st_mtime_ns == kept


def test_damage_is_named(vector_run):
    run = vector_run(SMALL, rows_per_unit=200)
    scale.select(run.folder, "stratified", keep=90, rows_per_cell=200)
    folder = run.folder / "select" / "stratified"
    (folder / "ranking.parquet").write_bytes(b"nothing")
    with pytest.raises(CoresetError, match=r"ranking.parquet is missing or damaged; run the step again"):
        scale.read_ranking(run.folder, "stratified")
    (folder / "centers.npy").write_bytes(b"nothing")
    with pytest.raises(CoresetError, match=r"centers.npy is damaged .*; delete its folder and select again"):
        scale.select(run.folder, "stratified", keep=90, rows_per_cell=200)


def test_a_ranking_of_other_vectors_is_refused(vector_run):
    run = vector_run(SMALL, rows_per_unit=200)
    scale.select(run.folder, "random", keep=9)
    for name in ("manifest", "embeddings"):
        shutil.rmtree(run.folder / name)
    (run.folder / "run.json").unlink()
    changed = vector_run(SMALL[::-1], rows_per_unit=200)
    with pytest.raises(CoresetError, match="random holds a selection of other vectors; delete it and select again"):
        scale.read_ranking(changed.folder, "random")


def test_copies_of_one_image_fill_cells_without_end(vector_run):
    run = vector_run(np.repeat(SMALL[:3], 200, axis=0), rows_per_unit=200)
    assert len(set(chosen(run, "stratified", keep=300, rows_per_cell=100).tolist())) == 300


def test_any_method_chooses_among_candidates(vector_run):
    run = vector_run(SMALL, rows_per_unit=300)
    candidates = np.sort(chosen(run, "stratified", keep=200, rows_per_cell=300))
    scale.select(run.folder, "kcenter", keep=20, among="stratified", seed=3)
    kept = scale.read_ranking(run.folder, "kcenter")["row"].to_numpy()
    alone = get_method("kcenter").select(SMALL[candidates].astype(np.float32), 20, seed=3).indices
    assert kept.tolist() == candidates[alone].tolist()
    for arguments, message in (
        ({"method": "gradient_match", "among": "stratified"}, "needs labels or predictions, and a run has vectors"),
        (
            {"method": "auto", "among": "stratified", "keep": 300},
            "asks for 300 rows, .*'stratified' has 200 candidates",
        ),
        ({"method": "auto", "among": "nothing"}, "there is no .*nothing"),
    ):
        with pytest.raises(CoresetError, match=message):
            scale.select(run.folder, **arguments)
    scale.select(run.folder, "auto", among="stratified", keep=30)  # a refusal leaves nothing behind
    assert set(scale.read_ranking(run.folder, "auto")["row"].to_pylist()) <= set(candidates.tolist())


def test_what_is_refused(vector_run):
    run = vector_run(SMALL, rows_per_unit=300)
    for arguments, message in (
        (
            {"method": "kcenter"},
            "method 'kcenter' does not work on a run; choose one of facility_location, .* or among= the rows",
        ),
        ({"keep": 901}, "budget 901 exceeds the 900 images that can be kept"),
        ({"keep": "saturation"}, "depends on a ranking"),
        ({"name": "../x"}, "name must consist of letters"),
        ({"rows_per_cell": 0}, "rows_per_cell must be at least 1"),
        ({"seed": -1}, "seed must be a whole number"),
    ):
        with pytest.raises(CoresetError, match=message):
            scale.select(run.folder, **arguments)
    scale.select(run.folder, "random", keep=10)
    with pytest.raises(CoresetError, match="random was made with keep=10, not 20"):
        scale.select(run.folder, "random", keep=20)
    assert len(scale.read_ranking(run.folder, "random")) == 10
    with pytest.raises(CoresetError, match=r"select/none/stage.json; run the step before first"):
        scale.read_ranking(run.folder, "none")
