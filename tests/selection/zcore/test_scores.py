"""What a whole run promises: the same bits everywhere, missing rows left out, no surprise at the edges."""

import threading

import numpy as np
import pytest
from fiftyone_coreset import CoresetError, get_method, zcore_scores
from zcore_oracle import zcore_oracle


@pytest.fixture(scope="module")
def clusters():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(8, 10))
    label = rng.integers(0, 8, 300)
    points = centres[label] + rng.normal(size=(300, 10)) * rng.uniform(0.05, 0.6, 8)[label][:, None]
    return points.astype(np.float32)


def assert_same(a, b):
    for name in ("score", "coverage", "redundancy", "halves"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert (a.n_draws, a.reliability) == (b.n_draws, b.reliability)


@pytest.mark.parametrize("num_workers", [2, 8])
@pytest.mark.parametrize("sample_dim", [1, 2, 3])
def test_same_bits_for_any_number_of_workers(clusters, num_workers, sample_dim):
    alone = zcore_scores(clusters, n_draws=5000, sample_dim=sample_dim, num_workers=1, seed=3)
    assert_same(alone, zcore_scores(clusters, n_draws=5000, sample_dim=sample_dim, num_workers=num_workers, seed=3))


def test_given_draws_give_the_same_bits_for_any_number_of_workers(clusters):
    rng = np.random.default_rng(1)
    draws = rng.integers(0, 5, (3000, 2)) * 2 + [0, 1], rng.normal(size=(3000, 2))
    assert_same(*(zcore_scores(clusters, draws=draws, num_workers=workers) for workers in (1, 8)))


def test_same_bits_from_a_file_and_from_memory(clusters, tmp_path):
    path = tmp_path / "embeddings.npy"
    np.save(path, clusters)
    in_memory = zcore_scores(clusters, n_draws=3000)
    assert_same(in_memory, zcore_scores(path, n_draws=3000))
    assert_same(in_memory, zcore_scores(np.load(path, mmap_mode="r"), n_draws=3000))
    assert_same(in_memory, zcore_scores(np.asfortranarray(clusters), n_draws=3000))
    assert_same(in_memory, zcore_scores(list(clusters), n_draws=3000))


def test_seeds_differ_and_repeat(clusters):
    first = zcore_scores(clusters, n_draws=2000, seed=0)
    assert_same(first, zcore_scores(clusters, n_draws=2000, seed=0))
    assert not np.array_equal(first.score, zcore_scores(clusters, n_draws=2000, seed=1).score)


@pytest.mark.parametrize("n_draws", [1, 7, 100, 4096, 5001])
@pytest.mark.parametrize("sample_dim", [1, 2, 3, 10, 99])
def test_every_draw_counts_once(clusters, n_draws, sample_dim):
    result = zcore_scores(clusters, n_draws=n_draws, sample_dim=sample_dim)
    assert result.n_draws == n_draws
    assert result.coverage.sum() == pytest.approx(n_draws)
    assert result.redundancy.sum() == pytest.approx(n_draws)
    np.testing.assert_array_equal(result.score, result.coverage - result.redundancy)


def test_adaptive_run_stops_at_the_target_and_equals_the_run_with_as_many_draws(clusters):
    messages = []
    adaptive = zcore_scores(clusters, target_reliability=0.8, progress=lambda done, text: messages.append((done, text)))
    assert adaptive.converged
    assert adaptive.warning is None
    assert adaptive.reliability >= 0.8
    assert messages[-1][0] == 1.0
    assert all(0 < done <= 1 for done, _ in messages)
    fixed = zcore_scores(clusters, n_draws=adaptive.n_draws)
    np.testing.assert_array_equal(adaptive.score, fixed.score)
    assert adaptive.reliability == fixed.reliability


def test_budgets_decide_how_many_draws_are_taken(clusters):
    """Ten images far out are kept by any run, long before the order of the others is certain."""
    far = np.random.default_rng(1).normal(size=(10, 10)) * 30
    x = np.concatenate([clusters, far.astype(np.float32)])
    found = zcore_scores(x, budgets=["3.2%", 20], target_overlap=0.7)
    assert found.converged
    assert (found.goal.name, found.goal.keeps) == ("overlap", (10, 20))
    assert found.reached == min(found.overlaps([10, 20])) >= 0.7
    np.testing.assert_array_equal(found.score, zcore_scores(x, n_draws=found.n_draws).score)
    assert 3 * found.n_draws < zcore_scores(x, target_reliability=0.999).n_draws
    details = get_method("zcore").select(x, budgets=[10], target_overlap=0.7).details
    assert details["agreement"] == {"measure": "overlap", "target": 0.7, "reached": 1.0, "kept": [10]}
    short = zcore_scores(x, budgets=[20], target_overlap=0.9999, time_budget=0)
    assert f"overlap {short.reached:.2f} instead of 1.00" in short.warning


def test_time_budget_ends_a_run_with_a_warning(clusters):
    result = zcore_scores(clusters, target_reliability=0.9999, time_budget=0)
    assert not result.converged
    assert "0.9999" not in result.warning
    assert f"{result.n_draws:,} draws" in result.warning
    assert result.coverage.sum() == pytest.approx(result.n_draws)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n_draws", [3000, None])
def test_missing_rows_are_as_if_never_there(clusters, bad, n_draws):
    whole = np.insert(clusters, [0, 5, 5, 300], 7.0, axis=0)
    missing = np.array([0, 6, 7, 303])
    whole[missing, [0, 3, 9, 1]] = bad
    keep = np.setdiff1d(np.arange(304), missing)
    result = zcore_scores(whole, n_draws=n_draws, target_reliability=0.5)
    alone = zcore_scores(clusters, n_draws=n_draws, target_reliability=0.5)
    assert np.isnan(result.score[missing]).all()
    for name in ("score", "coverage", "redundancy"):
        np.testing.assert_array_equal(getattr(result, name)[keep], getattr(alone, name))
    assert result.reliability == alone.reliability
    vectors = [None if row in missing else vector for row, vector in enumerate(whole)]
    np.testing.assert_array_equal(zcore_scores(vectors, n_draws=n_draws, target_reliability=0.5).score, result.score)


def test_constant_dimensions_are_as_if_never_there(clusters):
    result = zcore_scores(np.insert(clusters, [0, 4], 3.0, axis=1), n_draws=3000)
    np.testing.assert_array_equal(result.score, zcore_scores(clusters, n_draws=3000).score)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.uint8, np.int64, bool])
def test_any_real_dtype(dtype):
    x = np.random.default_rng(0).integers(0, 2 if dtype is bool else 100, (40, 6)).astype(dtype)
    x.flags.writeable = False
    result = zcore_scores(x, n_draws=500)
    np.testing.assert_allclose(result.score, zcore_scores(x.astype(np.float64), n_draws=500).score, atol=0.02)


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_smallest_inputs(n, d):
    x = np.random.default_rng(n).normal(size=(n, d))
    result = zcore_scores(x, n_draws=400)
    assert np.isfinite(result.score).all()
    assert result.coverage.sum() == pytest.approx(400)
    assert zcore_scores(x, time_budget=1).n_draws > 0


def test_two_images_are_hit_half_the_time_each():
    result = zcore_scores(np.array([[0.0, 0.0], [1.0, 2.0]]), n_draws=10_000)
    np.testing.assert_allclose(result.coverage, [5000, 5000], rtol=0.01)
    np.testing.assert_allclose(result.redundancy, result.coverage[::-1])


def test_values_of_any_scale_give_the_same_scores():
    x = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    plain = zcore_scores(x, n_draws=2000).score
    for exponent in (-120, 120):
        np.testing.assert_allclose(zcore_scores(np.ldexp(x, exponent), n_draws=2000).score, plain, rtol=1e-6)


@pytest.mark.parametrize(
    ("embeddings", "message"),
    [
        (np.ones((5, 3)), "identical"),
        (np.ones((1, 3)), "1 of 1"),
        (np.empty((0, 3)), "0 of 0"),
        (np.full((4, 3), np.nan), "0 of 4"),
        ([None, None], "none of the 2"),
        (np.ones((4, 2), dtype=complex), "real"),
    ],
)
def test_unusable_embeddings_are_refused_in_one_sentence(embeddings, message):
    with pytest.raises(CoresetError, match=message):
        zcore_scores(embeddings, n_draws=10)


@pytest.mark.parametrize(
    "arguments",
    [
        {"n_draws": 0},
        {"seed": -1},
        {"n_neighbors": 0},
        {"sample_dim": 0},
        {"exponent": 0},
        {"target_reliability": 1},
        {"target_overlap": 0},
        {"budgets": []},
        {"budgets": "10%"},
        {"budgets": [301]},
        {"budgets": ["10%"], "n_draws": 100},
        {"num_workers": 0},
        {"draws": ([[0]], [[0.0, 1.0]])},
        {"draws": ([[10]], [[0.0]])},
        {"draws": ([[0]], [[np.nan]])},
        {"draws": ([[0.0]], [[0.0]])},
        {"draws": (np.empty((0, 2), dtype=int), np.empty((0, 2)))},
    ],
)
def test_impossible_arguments_are_refused(clusters, arguments):
    with pytest.raises(CoresetError):
        zcore_scores(clusters, **arguments)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_nothing_is_left_behind_when_a_run_dies(clusters, error):
    before = set(threading.enumerate())

    def fail(done, text):
        raise error

    with pytest.raises(error):
        zcore_scores(clusters, progress=fail, num_workers=2)
    assert set(threading.enumerate()) == before


def test_order_of_the_images_does_not_matter(clusters):
    order = np.random.default_rng(0).permutation(len(clusters))
    twins = np.concatenate([clusters, clusters[:50]])
    order = np.random.default_rng(0).permutation(len(twins))
    straight = zcore_scores(twins, n_draws=4000).score
    np.testing.assert_allclose(zcore_scores(twins[order], n_draws=4000).score, straight[order], atol=1e-4)


def test_exact_duplicates_get_the_same_score(clusters):
    result = zcore_scores(np.concatenate([clusters, clusters[:20], clusters[:20]]), n_draws=4000)
    np.testing.assert_allclose(result.score[:20], result.score[300:320], atol=1e-9)
    np.testing.assert_allclose(result.score[:20], result.score[320:], atol=1e-9)


def test_own_draws_converge_to_the_same_scores_as_the_literal_algorithm():
    """Lattices and tournaments must not bend the expectation: literal random draws are the judge."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(40, 4)) * rng.gamma(1, 1, (40, 1))
    ours = zcore_scores(x, n_draws=200_000, n_neighbors=10)
    low, mode, high = x.min(axis=0), np.median(x, axis=0), x.max(axis=0)
    n_draws = 20_000
    dims = np.argsort(rng.random((n_draws, 4)), axis=1)[:, :2]
    targets = rng.triangular(low[dims], mode[dims], high[dims])
    coverage, redundancy = zcore_oracle(x, dims, targets, 10)
    for mine, literal in ((ours.coverage, coverage), (ours.redundancy, redundancy)):
        share = literal / n_draws
        error = 5 * np.sqrt(share / n_draws) + 1e-4
        assert (np.abs(mine / ours.n_draws - share) < error).all()


def test_own_draws_are_unbiased():
    """The mean over seeds is the literal algorithm's, image by image, within the standard error of the difference."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=(1200, 5)) * rng.gamma(1, 1, (1200, 1))  # cells around an image hold a part of its neighbours
    low, mode, high = x.min(axis=0), np.median(x, axis=0), x.max(axis=0)
    n_runs, n_draws = 100, 500
    runs = np.empty((2, n_runs, 2, len(x)))
    for seed in range(n_runs):
        dims = np.argsort(rng.random((n_draws, 5)), axis=1)[:, :2]
        draws = dims, rng.triangular(low[dims], mode[dims], high[dims])
        for which, how in enumerate(({"n_draws": n_draws, "seed": seed}, {"draws": draws})):
            found = zcore_scores(x, n_neighbors=20, num_workers=1, **how)
            runs[which, seed] = found.coverage, found.redundancy
    difference = runs[0].mean(axis=0) - runs[1].mean(axis=0)
    error = np.sqrt(runs.var(axis=1, ddof=1).sum(axis=0) / n_runs)
    often = runs[1].mean(axis=0) > 0.1  # elsewhere too rare for an error that is nearly normal
    z = difference[often] / error[often]
    assert often.sum() > 900
    assert np.abs(z).max() < 5
    assert z.std() == pytest.approx(1, abs=0.15)
    assert abs(z.mean()) < 0.15
