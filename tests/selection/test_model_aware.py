"""Methods that choose by predictions, against plain algorithms and cases with a known answer."""

import numpy as np
import pytest
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.selection import cover
from fiftyone_coreset.plugin.selection.head import fit_head
from fiftyone_coreset.plugin.selection.methods import uherding as uherding_module
from fiftyone_coreset.plugin.selection.predictions import Predictions
from fiftyone_coreset.plugin.selection.registry import get_method


def clusters(n=60, seed=0, spread=0.3):
    rng = np.random.default_rng(seed)
    cluster = np.arange(n) % 3
    return (rng.normal(size=(3, 5)) * 2)[cluster] + rng.normal(size=(n, 5)) * spread, cluster


def with_margin(u):
    """Predictions of two classes whose margin uncertainty is u."""
    first = 1 - np.asarray(u) / 2
    return Predictions.from_probabilities(np.column_stack([first, 1 - first]))


def select(name, X, k, u=None, **options):
    if u is not None:
        options["predictions"] = with_margin(u)
    return get_method(name).select(X, k, **options)


class TestUherding:
    def test_equal_uncertainty_is_maxherding(self):
        X, _ = clusters()
        for labelled in ([], [3, 50, 17]):
            for u in (1.0, 0.25, 0.0):
                found = select("uherding", X, 30, np.full(60, u), preselected=labelled)
                assert found.indices.tolist() == select("maxherding", X, 30, preselected=labelled).indices.tolist()
                assert found.details["equally_uncertain"]

    def test_only_uncertain_rows_have_to_be_covered(self):
        X, cluster = clusters(300)
        u = np.where(cluster == 1, 0.8, 0.0)
        found = select("uherding", X, 10, u, preselected=np.flatnonzero(cluster == 0)[:3])
        assert (cluster[found.indices[3:]] == 1).all()

    def test_a_tiny_bandwidth_takes_the_most_uncertain(self):
        X, _ = clusters()
        u = np.random.default_rng(1).random(60)
        found = select("uherding", X, 12, u, bandwidth=1e-3)
        assert found.indices.tolist() == np.argsort(-u)[:12].tolist()

    def test_equals_plain_greedy(self):
        X, _ = clusters()
        u = np.random.default_rng(1).random(60)
        labelled = [4, 9, 33]
        found = select("uherding", X, 20, u, bandwidth=0.5, preselected=labelled)
        unit = X / np.linalg.norm(X, axis=1, keepdims=True)
        kernel = np.exp(-(np.linalg.norm(unit[:, None] - unit, axis=2) ** 2) / 0.25)
        chosen = list(labelled)
        gains = []
        while len(chosen) < 20:
            best = kernel[:, chosen].max(axis=1)
            gain = np.maximum(kernel - best[:, None], 0).T @ u
            gain[chosen] = -1
            chosen.append(int(gain.argmax()))
            gains.append(gain.max())
        assert found.indices.tolist() == chosen
        assert (np.diff(gains) <= 1e-9).all()
        assert found.details["gain"] == pytest.approx(sum(gains) / 60, rel=1e-4)

    @pytest.mark.parametrize(("dense_rows", "labelled"), [(8192, [4, 9, 33]), (60, [4, 9, 33])])
    def test_the_kernel_of_predictions_multiplies_that_of_embeddings(self, monkeypatch, dense_rows, labelled):
        X, _ = clusters(61)
        P = np.random.default_rng(1).dirichlet(np.ones(3), 61)
        if dense_rows < 61:  # a sample of all rows but one stands for the pool, and labels cover from outside of it
            monkeypatch.setattr(uherding_module, "DENSE_ROWS", dense_rows)
            monkeypatch.setattr(uherding_module, "_sample", lambda pool, k: np.arange(61))
        options = {"predictions": P, "bandwidth": 0.5, "prediction_bandwidth": 0.3, "preselected": labelled}
        found = get_method("uherding").select(X, 20, **options)
        unit = X / np.linalg.norm(X, axis=1, keepdims=True)
        apart = [np.linalg.norm(each[:, None] - each, axis=2) ** 2 for each in (unit, P)]
        kernel = np.exp(-apart[0] / 0.5**2) * np.exp(-apart[1] / 0.3**2)
        second, first = np.partition(P, -2, axis=1)[:, -2:].T
        chosen = list(labelled)
        while len(chosen) < 20:
            gain = np.maximum(kernel - kernel[:, chosen].max(axis=1)[:, None], 0).T @ (1 - first + second)
            gain[chosen] = -1
            chosen.append(int(gain.argmax()))
        assert found.indices.tolist() == chosen

    def test_a_wide_kernel_of_predictions_changes_nothing(self, monkeypatch):
        X, _ = clusters(200)
        P = np.random.default_rng(1).dirichlet(np.ones(3), 200)
        for rows in (8192, 100):  # all pairs, and the graph of neighbours
            monkeypatch.setattr(cover, "DENSE_ROWS", rows)
            plain, wide, narrow = (
                get_method("uherding").select(X, 30, predictions=P, **options).indices.tolist()
                for options in ({}, {"prediction_bandwidth": 1e6}, {"prediction_bandwidth": 0.1})
            )
            assert plain == wide != narrow

    @pytest.mark.parametrize("bandwidth", [0, -1, "x", True])
    def test_a_bandwidth_of_predictions_is_checked(self, bandwidth):
        X, _ = clusters()
        with pytest.raises(CoresetError, match="prediction_bandwidth must be a positive number or None"):
            select("uherding", X, 5, np.ones(60), prediction_bandwidth=bandwidth)

    def test_a_copy_of_a_labelled_row_comes_last(self):
        X, _ = clusters()
        X[20] = X[4]
        found = select("uherding", X, 60, np.random.default_rng(1).random(60), preselected=[4])
        assert found.indices[-1] == 20

    def test_confidences_are_enough(self):
        X, _ = clusters()
        p1 = np.random.default_rng(1).uniform(0.5, 1, 60)
        found = get_method("uherding").select(X, 10, predictions=Predictions.from_confidence(p1))
        assert found.details["measure"] == "least_confidence"
        assert found.indices.tolist() == select("uherding", X, 10, 2 * (1 - p1)).indices.tolist()

    def test_the_head_predicts_where_nothing_is_given(self):
        X, cluster = clusters(120, spread=2.0)
        labels = np.where(np.arange(120) < 20, cluster, -1)
        head = fit_head(X, labels)
        options = {"preselected": labels >= 0}
        by_head = get_method("uherding").select(X, 40, head=head, **options)
        by_array = get_method("uherding").select(X, 40, predictions=head.probabilities(X), **options)
        assert by_head.indices.tolist() == by_array.indices.tolist()

    @pytest.mark.parametrize("distance", [2e-3, 0.2, 5.0])
    def test_an_adaptive_bandwidth_stays_near_the_usual_one(self, distance):
        X, _ = clusters()
        X = X / np.linalg.norm(X, axis=1, keepdims=True)
        labelled = [4, 9]
        angle = min(distance, 1.5)
        across = np.linalg.svd(X[4:5])[2][1]
        X[9] = np.cos(angle) * X[4] + np.sin(angle) * across
        u = np.full(60, 0.5)
        usual = select("uherding", X, 12, u, preselected=labelled).details["bandwidth"]
        adaptive = select("uherding", X, 12, u, preselected=labelled, bandwidth="adaptive").details["bandwidth"]
        apart = np.linalg.norm(X[9] - X[4])
        assert adaptive == pytest.approx(np.clip(apart, usual / 2, usual * 2), rel=1e-3)

    def test_a_large_pool_is_represented_by_a_sample(self, monkeypatch):
        monkeypatch.setattr(uherding_module, "DENSE_ROWS", 100)
        X, cluster = clusters(400)
        u = np.where(cluster == 2, 0.9, 0.1)
        labelled = np.flatnonzero(cluster == 1)[:5]
        found = select("uherding", X, 20, u, preselected=labelled)
        assert found.details["rows_compared"] == 100
        assert found.indices[:5].tolist() == labelled.tolist()
        assert len(set(found.indices)) == 20
        assert (cluster[found.indices[5:]] == 2).mean() > 0.6
        again = select("uherding", X, 20, u, preselected=labelled)
        assert found.indices.tolist() == again.indices.tolist()

    def test_labels_outside_of_the_sample_cover_too(self, monkeypatch):
        monkeypatch.setattr(uherding_module, "DENSE_ROWS", 60)
        X, cluster = clusters(400, spread=0.01)
        labelled = np.flatnonzero(cluster < 2)[:150]  # two of three clusters are labelled; most are not in the sample
        found = select("uherding", X, 155, np.ones(400), preselected=labelled, bandwidth=0.5)
        assert cluster[found.indices[150]] == 2

    def test_many_picks_of_a_large_pool_use_the_graph(self, monkeypatch):
        for module in (uherding_module, cover):
            monkeypatch.setattr(module, "DENSE_ROWS", 100)
        monkeypatch.setattr(uherding_module, "_SAMPLED_PICKS", 10)
        X, _ = clusters(300)
        found = select("uherding", X, 20, np.random.default_rng(0).random(300))
        assert found.details["rows_compared"] == 300
        assert len(set(found.indices)) == 20

    def test_a_measure_that_may_be_negative_is_refused(self):
        X, _ = clusters()
        said = Predictions.from_logits(np.random.default_rng(0).normal(size=(60, 3)) + 3)
        with pytest.raises(CoresetError, match="measure 'energy' is negative for some rows"):
            get_method("uherding").select(X, 10, predictions=said, measure="energy")

    @pytest.mark.parametrize("bandwidth", [0, -1.0, "wide"])
    def test_a_bandwidth_is_checked(self, bandwidth):
        with pytest.raises(CoresetError, match="bandwidth must be a positive number, 'adaptive' or None"):
            select("uherding", clusters()[0], 10, np.ones(60), bandwidth=bandwidth)


class TestMargin:
    U = np.random.default_rng(2).permutation(60) / 60

    def test_the_most_uncertain_come_first(self):
        found = select("margin", clusters()[0], 20, self.U)
        assert found.indices.tolist() == np.argsort(-self.U)[:20].tolist()
        np.testing.assert_allclose(found.scores, self.U, atol=1e-6)

    def test_the_very_most_uncertain_can_come_last(self):
        order = np.argsort(-self.U)
        found = select("margin", clusters()[0], None, self.U, skip_most_uncertain=0.1)
        assert found.indices[:54].tolist() == order[6:].tolist()
        assert set(found.indices[54:]) == set(order[:6])

    def test_much_certainty_in_the_draws_equals_none(self):
        found = select("margin", clusters()[0], 20, self.U, stochastic=1e9)
        assert found.indices.tolist() == np.argsort(-self.U)[:20].tolist()

    def test_draws_are_proportional_to_the_uncertainty(self):
        X, _ = clusters(4000)
        u = np.where(np.arange(4000) % 2, 0.9, 0.3)
        found = select("margin", X, 40, u, stochastic=1.0)
        shares = [(u[select("margin", X, 40, u, stochastic=1.0, seed=seed).indices] > 0.5).mean() for seed in range(20)]
        assert abs(np.mean(shares) - 0.75) < 4 * np.sqrt(0.75 * 0.25 / 800)
        assert found.indices.tolist() != np.argsort(-u, kind="stable")[:40].tolist()

    def test_diversified_picks_are_spread_over_the_uncertain(self):
        X, cluster = clusters(300, spread=0.05)
        u = np.where(cluster == 0, 0.9, np.where(cluster == 1, 0.8, 0.1)) + np.arange(300) / 1e4
        assert set(cluster[select("margin", X, 4, u).indices]) == {0}
        spread = select("margin", X, 4, u, diversify=40)
        assert set(cluster[spread.indices]) == {0, 1}

    def test_copies_have_equal_scores(self):
        X, _ = clusters()
        X[7] = X[3]
        P = np.full((60, 3), 1 / 3)
        scores = get_method("margin").select(X, 10, predictions=P).scores
        assert scores[7] == scores[3]

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"skip_most_uncertain": 1.0}, "skip_most_uncertain must be a share in [0, 1), got 1.0"),
            ({"stochastic": 0}, "draws need a positive number"),
            ({"measure": "surprise"}, "measure 'surprise' cannot be told"),
            ({"predictions": np.full((59, 2), 0.5)}, "predictions are of 59 rows but there are 60"),
        ],
    )
    def test_bad_arguments_are_named(self, options, says):
        with pytest.raises(CoresetError) as error:
            get_method("margin").select(clusters()[0], 10, **({"predictions": with_margin(self.U)} | options))
        assert says in str(error.value)


def test_by_field_ranks_by_the_score_within_quotas():
    X, cluster = clusters()
    score = np.arange(60.0)
    score[59] = np.nan
    found = get_method("by_field").select(X, 6, score=score, groups=cluster, quota="uniform")
    assert sorted(found.indices.tolist()) == [53, 54, 55, 56, 57, 58]
    whole = get_method("by_field").select(X, None, score=score)
    assert whole.indices.tolist() == [*range(58, -1, -1), 59]
    assert whole.details["without_score"] == 1
