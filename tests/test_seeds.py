"""Seeds: whole numbers that numpy and scikit-learn take, and the same refusal everywhere."""

import fiftyone_coreset as fc
import numpy as np
import pytest

X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
LABELS = np.arange(30) % 3
TEXTS = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
WITH_SEED = {
    "select": lambda seed: fc.get_method("kcenter").select(X, 5, seed=seed),
    "random": lambda seed: fc.get_method("random").select(X, 5, seed=seed),
    "zcore_scores": lambda seed: fc.zcore_scores(X, seed=seed, n_draws=100),
    "overlap_at": lambda seed: fc.zcore_scores(X, n_draws=100).overlap_at(0.5, seed),
    "clip_powered_scores": lambda seed: fc.clip_powered_scores(X, LABELS, TEXTS, adapter="none", seed=seed),
    "coverage_curve": lambda seed: fc.coverage_curve(X, np.arange(30), seed=seed),
    "coreset_report": lambda seed: fc.coreset_report(X, np.arange(5), seed=seed),
    "compare_subsets": lambda seed: fc.compare_subsets(X, {"a": [0, 1], "b": [2, 3]}, seed=seed),
    "explain_row": lambda seed: fc.explain_row(X, np.arange(30), 3, 5, seed=seed),
    "redundant_groups": lambda seed: fc.redundant_groups(X, np.arange(5), seed=seed),
}


@pytest.mark.parametrize(
    "seed", [-1, 2**32, 1.0, "0", None, True, np.bool_(True), np.int64(-1), np.float32(1)], ids=repr
)
@pytest.mark.parametrize("call", WITH_SEED)
def test_what_is_no_seed_is_refused(call, seed):
    with pytest.raises(fc.CoresetError, match=r"^seed must be a whole number from 0 to 2\*\*32 - 1, got "):
        WITH_SEED[call](seed)


@pytest.mark.parametrize("seed", [np.int32(7), np.uint8(7), np.int64(7)], ids=repr)
def test_whole_numbers_of_numpy_are_seeds(seed):
    selected = fc.get_method("random").select(X, 5, seed=seed)
    assert type(selected.seed) is int
    np.testing.assert_array_equal(selected.indices, fc.get_method("random").select(X, 5, seed=7).indices)
