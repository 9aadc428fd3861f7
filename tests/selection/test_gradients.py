"""Methods of gradients: against gradients that are formed, brute force and plain k-means++."""

from itertools import combinations

import numpy as np
import pytest
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.selection.gradients import Gradients
from fiftyone_coreset.plugin.selection.head import fit_head
from fiftyone_coreset.plugin.selection.methods import badge
from fiftyone_coreset.plugin.selection.methods.gradient_match import _match, _sketch
from fiftyone_coreset.plugin.selection.pool import Pool, PoolVectors
from fiftyone_coreset.plugin.selection.predictions import Predictions
from fiftyone_coreset.plugin.selection.registry import get_method

NAMES = ["0", "1", "2"]


def problem(n=60, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5)).astype(np.float32)
    powers = np.exp(rng.normal(size=(n, 3)) * 2)
    return X, powers / powers.sum(axis=1, keepdims=True)


def formed(X, P, classes=None, extra=None):
    """(n, C * d) gradients, one a row."""
    x = X / np.linalg.norm(X, axis=1, keepdims=True) if extra is None else extra
    q = P - np.eye(P.shape[1])[P.argmax(axis=1) if classes is None else classes]
    return np.einsum("ic,id->icd", q, x).reshape(len(X), -1)


def pool_of(X, P, labels=None, head=None, kept=()):
    return Pool(
        PoolVectors(X), np.array(kept, dtype=np.int64), np.ones(len(X)), labels, [0, 1, 2],
        predictions=Predictions.from_probabilities(P, NAMES), head=head,
    )  # fmt: skip


def select(name, X, P, k, **options):
    return get_method(name).select(X, k, predictions=Predictions.from_probabilities(P, NAMES), **options)


def test_products_are_those_of_gradients_that_are_formed():
    X, P = problem()
    labels = np.arange(60) % 3
    G = formed(X, P, labels)
    found = Gradients.labelled(pool_of(X, P, labels))
    np.testing.assert_allclose(found.products(found.take(np.arange(7))), G @ G[:7].T, atol=1e-5)
    np.testing.assert_allclose(found.squared_norms, (G**2).sum(axis=1), atol=1e-5)
    weights = np.random.default_rng(1).random(60)
    mean = weights @ G / weights.sum()
    np.testing.assert_allclose(found.mean(weights).ravel(), mean, atol=1e-6)
    np.testing.assert_allclose(found.products_with(found.mean(weights)), G @ mean, atol=1e-6)


def test_with_a_head_its_features_and_bias_are_the_input():
    X, P = problem()
    head = fit_head(X, np.arange(60) % 3, C=100.0)
    found = Gradients.predicted(pool_of(X, P, head=head))
    G = formed(X, P, extra=np.c_[head.features(X), np.ones(60)])
    np.testing.assert_allclose(found.products(found), G @ G.T, atol=1e-4)


def test_labels_must_be_classes_of_the_predictions():
    X, P = problem()
    with pytest.raises(CoresetError, match=r"1 labels are none of the 3 classes of the predictions, e\.g\. 'bird'"):
        select("gradient_match", X, P, 10, labels=np.array(["0", "1", "bird"], dtype=object)[np.arange(60) % 3])


@pytest.mark.parametrize("name", ["badge", "logdet", "gradient_match", "affinity"])
def test_confidences_are_not_enough(name):
    X, _ = problem()
    labels = np.arange(60) % 3 if get_method(name).needs_labels else None
    said = Predictions.from_confidence(np.full(60, 0.5), [str(row % 3) for row in range(60)])
    with pytest.raises(CoresetError, match="needs the probabilities of all classes, but these predictions hold only"):
        get_method(name).select(X, 10, predictions=said, labels=labels)


class TestBadge:
    def test_starts_at_the_largest_gradient(self):
        X, P = problem()
        assert select("badge", X, P, 1).indices[0] == np.argmax((formed(X, P) ** 2).sum(axis=1))

    def test_draws_in_proportion_to_the_squared_distance(self, monkeypatch):
        X, P = problem()
        G = formed(X, P)
        asked = []

        def spy(shares, free, rng):
            asked.append(np.sort(shares))
            return draw(shares, free, rng)

        draw = badge._draw
        monkeypatch.setattr(badge, "_draw", spy)
        chosen = select("badge", X, P, 6).indices.tolist()
        for picked, shares in enumerate(asked, start=1):
            squared = ((G[:, None] - G[chosen[:picked]]) ** 2).sum(axis=2).min(axis=1)
            np.testing.assert_allclose(shares, np.sort(squared), atol=1e-4)

    def test_draws_follow_the_shares(self):
        shares, rng = np.array([0.0, 1, 2, 0, 5, 0]), np.random.default_rng(0)
        drawn = np.bincount([badge._draw(shares, shares > 0, rng) for _ in range(8000)], minlength=6)
        np.testing.assert_allclose(drawn / 8000, shares / 8, atol=4 * np.sqrt(0.25 / 8000))
        assert set(np.flatnonzero(drawn)) == {1, 2, 4}
        free = np.array([False, True, False, False, False, True])
        assert {badge._draw(np.zeros(6), free, rng) for _ in range(50)} == {1, 5}

    def test_kept_rows_enter_the_distances(self):
        X, P = problem()
        X[10], P[10] = X[4], P[4]
        found = select("badge", X, P, 59, preselected=[4])
        assert 10 not in found.indices

    def test_confident_rows_come_last_once_one_is_labelled(self):
        X, P = problem()
        P[::2] = np.eye(3)[np.arange(30) % 3]
        found = select("badge", X, P, 60, preselected=[0])
        assert set(found.indices[1:31]) == set(range(1, 60, 2))

    def test_all_rows_are_drawn_in_the_end(self):
        X, P = problem()
        assert set(select("badge", X, P, 60).indices) == set(range(60))


class TestLogdet:
    def test_greedy_is_the_best_next_row_by_brute_force(self):
        X, P = problem(12)
        G = formed(X, P)
        K = G @ G.T / (G**2).sum(axis=1).mean()

        def value(rows):
            return np.linalg.slogdet(np.eye(len(rows)) + K[np.ix_(rows, rows)])[1]

        chosen = [5]
        while len(chosen) < 4:
            chosen.append(max(set(range(12)) - set(chosen), key=lambda row: value([*chosen, row])))
        found = select("logdet", X, P, 4, preselected=[5])
        assert found.indices.tolist() == chosen
        assert found.details["log_det"] == pytest.approx(value(chosen), rel=1e-4)
        best = max(combinations(range(12), 3), key=value)
        free = select("logdet", X, P, 3)
        assert value(free.indices.tolist()) >= (1 - 1 / np.e) * value(list(best))

    def test_a_copy_comes_after_what_differs(self):
        X, P = problem()
        X[10], P[10] = X[4], P[4]
        order = select("logdet", X, P, 12, preselected=[4], strength=1e6).indices
        assert 10 not in order

    def test_a_factor_beyond_memory_is_refused(self, monkeypatch):
        X, P = problem()
        monkeypatch.setattr("fiftyone_coreset.plugin.selection.methods.logdet._MAX_FACTOR", 600)
        with pytest.raises(CoresetError, match=r"a factor of 60 by 20 numbers.*lower the budget to 10"):
            select("logdet", X, P, 20)
        with pytest.raises(CoresetError, match="strength must be positive"):
            select("logdet", X, P, 5, strength=0)


class TestGradientMatch:
    def test_pursuit_equals_a_plain_one(self):
        X, P = problem(40)
        labels = np.arange(40) % 3
        G = formed(X, P, labels)
        target, chosen = G.mean(axis=0), [7]
        while len(chosen) < 6:
            weights = np.linalg.lstsq(G[chosen].T, target, rcond=None)[0]
            agreement = G @ (target - G[chosen].T @ weights)
            agreement[chosen] = -np.inf
            chosen.append(int(agreement.argmax()))
        weights, *_ = np.linalg.lstsq(G[chosen].T, target, rcond=None)
        found, unmatched, squared = _match(Gradients.labelled(pool_of(X, P, labels)), np.ones(40), np.array([7]), 6)
        assert [7, *found] == chosen
        assert squared == pytest.approx((target**2).sum(), rel=1e-4)
        assert unmatched == pytest.approx(((target - G[chosen].T @ weights) ** 2).sum(), abs=1e-6)

    def test_sketches_keep_inner_products_on_average(self):
        X, P = problem(30)
        gradients = Gradients.predicted(pool_of(X, P))
        sketches = [_sketch(gradients, np.random.default_rng(seed)) for seed in range(100)]
        mean = np.mean([S @ S.T for S in sketches], axis=0)
        np.testing.assert_allclose(mean, gradients.products(gradients), atol=0.05)

    def test_more_picks_match_more(self):
        X, P = problem(90)
        labels = np.arange(90) % 3
        options = {"labels": labels, "n_clusters": 1}
        left = [select("gradient_match", X, P, k, **options).details["unmatched"] for k in (3, 6, 12)]
        assert left[0] > left[1] > left[2]


class TestAffinity:
    def test_the_first_picks_by_hand(self):
        X, P = problem()
        labels = np.arange(60) % 3
        G = formed(X, P, labels)
        unit = G / np.linalg.norm(G, axis=1, keepdims=True)
        protected = np.arange(60) < 10

        def cosine(mean):
            return unit @ mean / np.linalg.norm(mean)

        worth = cosine(G.mean(axis=0)) + 0.5 * cosine(G[protected].mean(axis=0))
        chosen = []
        for _ in range(8):
            value = worth - (unit @ unit[chosen].T).mean(axis=1) if chosen else worth.copy()
            value[chosen] = -np.inf
            chosen.append(int(value.argmax()))
        found = select("affinity", X, P, 8, labels=labels, protected=protected.astype(float), tradeoff=0.5)
        assert found.indices.tolist() == chosen


class TestDropquery:
    def blobs(self, n=300):
        rng = np.random.default_rng(0)
        classes = np.arange(n) % 3
        X = (rng.normal(size=(3, 6)) * 2)[classes] + rng.normal(size=(n, 6))
        return X.astype(np.float32), fit_head(X, np.where(np.arange(n) < 30, classes, -1), C=100.0)

    def test_without_dropout_rows_are_drawn_at_random(self):
        X, head = self.blobs()
        found = get_method("dropquery").select(X, 20, head=head, dropout=0.0)
        assert found.details == found.details | {"unstable": 0, "drawn_at_random": 20}
        assert found.indices.tolist() == get_method("random").select(X, 20).indices.tolist()

    def test_picks_are_rows_whose_class_changes(self):
        X, head = self.blobs()
        options = {"dropout": 0.5, "n_samples": 9, "shortlist": 1}
        found = get_method("dropquery").select(X, 20, head=head, preselected=[3], **options)
        changes = sum(
            logits.argmax(axis=1) != head.logits(X).argmax(axis=1) for logits in head.dropout_logits(X, 0.5, 40, seed=9)
        )
        assert found.details["drawn_at_random"] == 0
        assert changes[found.indices[1:]].mean() > 2 * changes.mean()

    @pytest.mark.parametrize("options", [{"n_samples": 2}, {"n_samples": 0}, {"dropout": 1.0}])
    def test_samples_are_odd_and_dropout_a_share(self, options):
        X, head = self.blobs()
        with pytest.raises(CoresetError, match=r"n_samples must be odd and dropout a share in \[0, 1\)"):
            get_method("dropquery").select(X, 5, head=head, **options)


def test_dropout_is_right_on_average():
    X, head = TestDropquery().blobs(30)
    mean = np.mean(list(head.dropout_logits(X, 0.5, 3000)), axis=0)
    np.testing.assert_allclose(mean, head.logits(X), atol=0.35 * np.abs(head.logits(X)).max())
    assert np.corrcoef(mean.ravel(), head.logits(X).ravel())[0, 1] > 0.99


def test_rows_near_the_boundary_are_disputed():
    X, head = TestDropquery().blobs()
    found = get_method("margin").select(X, 20, head=head, measure="disagreement")
    margins = np.sort(head.probabilities(X), axis=1)
    lead = margins[:, -1] - margins[:, -2]
    assert lead[found.indices].mean() < lead.mean()


class TestLcmd:
    def test_equals_the_plain_algorithm(self):
        X, _ = problem()
        Z = (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float64)
        chosen = [8, 30]
        while len(chosen) < 20:
            squared = ((Z[:, None] - Z[chosen]) ** 2).sum(axis=2)
            center, nearest = squared.argmin(axis=1), squared.min(axis=1)
            largest = np.bincount(center, weights=nearest, minlength=len(chosen)).argmax()
            chosen.append(int(np.where(center == largest, nearest, -1).argmax()))
        assert get_method("lcmd").select(X, 20, preselected=[8, 30]).indices.tolist() == chosen

    def test_hours_are_refused(self, monkeypatch):
        monkeypatch.setattr("fiftyone_coreset.plugin.selection.methods.lcmd._MAX_COMPARISONS", 600)
        with pytest.raises(CoresetError, match=r"lcmd would compare 60 images with 20 picks.*lower the budget to 10"):
            get_method("lcmd").select(problem()[0], 20)


class TestSeek:
    def rare(self):
        """5 rare images among 5,000, one of them labelled."""
        rng = np.random.default_rng(0)
        X = rng.normal(size=(5000, 16)).astype(np.float32)
        X[:5] = rng.normal(size=16) * 2 + rng.normal(size=(5, 16)) * 0.5
        labels = np.full(5000, None, dtype=object)
        labels[0], labels[100:140] = "rare", "usual"
        return X, labels

    def test_rare_images_are_found(self):
        X, labels = self.rare()
        head = fit_head(X, labels)
        labelled = np.flatnonzero(labels != None)  # noqa: E711
        found = get_method("seek").select(X, 41 + 50, head=head, target_class="rare", preselected=labelled)
        assert len(set(found.indices[41:]) & {1, 2, 3, 4}) == 4

    def test_images_are_found_by_their_looks(self):
        X, labels = self.rare()
        known = np.flatnonzero(labels != None)  # noqa: E711
        shown = (labels == "rare").astype(float)
        found = get_method("similar").select(X, 41 + 10, exemplars=shown, preselected=known)
        assert set(found.indices[41:45]) == {1, 2, 3, 4}
        unit = X / np.linalg.norm(X, axis=1, keepdims=True)
        np.testing.assert_allclose(found.scores, unit @ unit[0], atol=1e-5)
        with pytest.raises(CoresetError, match="exemplars: no row that can be compared is above 0"):
            get_method("similar").select(X, 5, exemplars=np.zeros(5000))

    def test_several_classes_take_turns(self):
        X, P = problem()
        found = select("seek", X, P, 10, target_class=["0", "2"])
        best = [np.argsort(-P[:, column])[:8].tolist() for column in (0, 2)]
        assert {found.indices[0], found.indices[1]} == {best[0][0], best[1][0]}
        assert set(best[0][:4]) | set(best[1][:4]) <= set(found.indices)

    @pytest.mark.parametrize("wanted", ["bird", [], ["0", "bird"]])
    def test_a_class_nobody_predicts_is_refused(self, wanted):
        X, P = problem()
        with pytest.raises(CoresetError, match="is none of the 3 predicted classes, which are 0, 1, 2"):
            select("seek", X, P, 10, target_class=wanted)


def test_pcoreset_is_k_center_on_probabilities():
    X, P = problem()
    chosen = [4]
    while len(chosen) < 9:
        chosen.append(int(np.linalg.norm(P[:, None] - P[chosen], axis=2).min(axis=1).argmax()))
    assert select("pcoreset", X, P, 9, preselected=[4]).indices.tolist() == chosen
