"""Pools with known answers: rows that do not depend on how they are asked for, and steps that find what was planted."""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np
import pytest
from fiftyone_coreset import cli
from fiftyone_coreset.plugin import scale
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.scale import parts
from fiftyone_coreset.plugin.scale.scoring import read_scores
from fiftyone_coreset.plugin.scale.synthetic import RARE_KINDS, SyntheticPool
from fiftyone_coreset.plugin.vectors.neighbors import unit_rows

POOL = SyntheticPool(n=6_000, dim=16, clusters=40, copies=0.1, rare=0.01, seed=3)


def test_rows_do_not_depend_on_how_they_are_asked_for():
    whole = POOL.vectors(0, POOL.n)
    assert whole.shape == (POOL.n, POOL.dim)
    assert whole.dtype == np.float32
    for start, stop in ((0, 1), (1_000, 1_100), (1_023, 3_075), (5_990, 6_000)):
        assert np.array_equal(POOL.vectors(start, stop), whole[start:stop])
    assert not np.array_equal(SyntheticPool(6_000, 16, seed=4).vectors(0, 10), whole[:10])


def test_what_is_planted_is_there():
    originals, kinds, Z = POOL.originals(0, POOL.n), POOL.kinds(0, POOL.n), unit_rows(POOL.vectors(0, POOL.n))[0]
    copies = np.flatnonzero(originals != np.arange(POOL.n))
    assert len(copies) == POOL.n * POOL.copies
    assert not np.isin(originals[copies], copies).any()
    rare = kinds >= POOL.clusters
    assert rare.sum() == POOL.n * POOL.rare
    assert set(kinds[rare]) == set(range(POOL.clusters, POOL.clusters + RARE_KINDS))
    others = np.random.default_rng(0).permutation(np.setdiff1d(np.arange(POOL.n), copies))[:500]
    nearest = np.sort(np.linalg.norm(Z[others, None] - Z[None, others], axis=2), axis=1)[:, 1]
    apart = np.linalg.norm(Z[copies] - Z[originals[copies]], axis=1)
    assert np.quantile(apart, 0.9) < np.quantile(nearest, 0.1)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("synthetic://rings?n=5&dim=2", "no synthetic pool; give synthetic://clusters"),
        ("synthetic://clusters?n=5", "no synthetic pool"),
        ("synthetic://clusters?n=5&dim=2&size=3", "no synthetic pool"),
        ("synthetic://clusters?n=5&dim=two", "a value that is no number"),
        ("synthetic://clusters?n=0&dim=2", "must be at least 1"),
        ("synthetic://clusters?n=5&dim=2&copies=0.7", "at most 0.5"),
    ],
)
def test_what_is_no_pool_is_refused(address, message):
    with pytest.raises(CoresetError, match=message):
        SyntheticPool.parse(address)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The pool, planned and embedded."""
    found = scale.plan(POOL.name, tmp_path_factory.mktemp("synthetic") / "run", rows_per_unit=700)
    assert scale.embed(found.folder).complete
    return found


def kept(run, method, **arguments):
    """The rows that a selection keeps."""
    name = f"{method}-{len(list((run.folder / 'select').glob('*')))}"
    assert scale.select(run.folder, method, name=name, rows_per_cell=2_000, **arguments).complete
    return scale.read_ranking(run.folder, name)["row"].to_numpy()


def test_the_vectors_of_a_run_are_those_of_the_pool(run):
    assert len(run) == POOL.n
    assert run.record["source"] == POOL.name
    rows, vectors = run.vectors(3)
    assert np.array_equal(vectors, POOL.vectors(rows[0], rows[-1] + 1))
    with pytest.raises(CoresetError, match="a run of vectors that are there, so leave model out"):
        scale.embed(run.folder, model="coreset-mini")


def test_planted_copies_are_left_out(run):
    originals = POOL.originals(0, POOL.n)
    burst = np.bincount(originals)
    distinct = np.count_nonzero(burst)

    def copies_among(rows):
        return len(rows) - len(np.unique(originals[rows]))

    plain = kept(run, "stratified", keep=0.7)
    without = kept(run, "stratified", keep=0.7, deduplicate=True)
    assert len(without) < distinct
    assert copies_among(plain) > 0.4 * 0.7 * POOL.n * POOL.copies
    assert copies_among(without) < 0.05 * copies_among(plain)


def test_rare_kinds_are_kept(run):
    kinds = POOL.kinds(0, POOL.n)

    def rare_kinds(method):
        found = kinds[kept(run, method, keep="5%")]
        return len(set(found[found >= POOL.clusters]))

    assert rare_kinds("facility_location") >= RARE_KINDS - 1
    assert rare_kinds("random") <= RARE_KINDS / 2


def test_scores_prefer_what_is_alone(run):
    assert scale.score(run.folder, n_draws=20_000).complete
    scores, originals = read_scores(run)["score"].to_numpy(), POOL.originals(0, POOL.n)
    burst = np.bincount(originals, minlength=POOL.n)[originals] > 1
    assert scores[~burst].mean() > scores[burst].mean()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib")
def test_a_billion_rows_are_rehearsed_dry(tmp_path, capsys):
    path = tmp_path / "recipe.toml"
    path.write_text('out = "run"\n[plan]\nsource = "synthetic://clusters?n=1000000000&dim=512"\n[embed]\n')
    assert cli.main(["scale", "run", str(path), "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("1,000,000,000 rows of 512 numbers, on 1 x 1 workers")
    assert [file.name for file in tmp_path.iterdir()] == ["recipe.toml"]


@pytest.mark.parametrize("step", ["plan", "embed", "resume", "status", "score", "select"])
def test_many_tiny_units_cost_each_the_same(step, tmp_path, monkeypatch):
    counted: Counter[str] = Counter()
    for name in ("footer", "read_table", "write_table", "read_record"):
        original = getattr(parts, name)

        def counting(*arguments, name=name, original=original, **options):
            counted[name] += 1
            return original(*arguments, **options)

        monkeypatch.setattr(parts, name, counting)
    steps = {
        "plan": lambda folder, n: scale.plan(f"synthetic://clusters?n={2 * n}&dim=3", folder, rows_per_unit=2),
        "embed": lambda folder, n: scale.embed(folder),
        "resume": lambda folder, n: scale.embed(folder),
        "status": lambda folder, n: scale.status(folder),
        "score": lambda folder, n: scale.score(folder, n_draws=100, n_units=2),
        "select": lambda folder, n: scale.select(folder, "stratified", keep=0.5, rows_per_cell=n),
    }
    needed = ["plan"] if step == "plan" else ["plan", "embed", step] if step != "embed" else ["plan", "embed"]
    files = []
    for n_units in (20, 60):
        for name in needed:
            counted.clear()
            steps[name](tmp_path / str(n_units), n_units)
        files.append(sum(counted.values()))
    assert files[1] <= 3.1 * files[0]
    assert files[1] <= 30 * 60
