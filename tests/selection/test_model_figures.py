"""What is read from a model besides its classes: difficulty, fused confidence, balance, and costs."""

from itertools import combinations

import numpy as np
import pytest
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.selection.costs import affordable
from fiftyone_coreset.plugin.selection.difficulty import head_difficulty
from fiftyone_coreset.plugin.selection.fused import fuse, fused_uncertainty
from fiftyone_coreset.plugin.selection.predictions import Predictions, class_groups
from fiftyone_coreset.plugin.selection.registry import get_method
from sklearn.metrics import roc_auc_score


def blobs(n=200, noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    classes = np.arange(n) % 3
    return ((rng.normal(size=(3, 6)) * 2)[classes] + rng.normal(size=(n, 6)) * noise).astype(np.float32), classes


class TestDifficulty:
    @pytest.mark.parametrize("measure", ["el2n", "grand", "aum"])
    def test_wrong_labels_are_the_hardest(self, measure):
        X, classes = blobs()
        wrong = np.arange(200) % 13 == 0
        labels = np.where(wrong, (classes + 1) % 3, classes)
        assert roc_auc_score(wrong, head_difficulty(X, labels, measure)) > 0.9

    def test_the_same_scores_by_hand(self):
        X, classes = blobs(60, noise=2.0)
        from fiftyone_coreset.plugin.selection.head import fit_head

        head = fit_head(X, classes, C=100.0)
        powers = np.exp(head.out_of_fold)
        P = powers / powers.sum(axis=1, keepdims=True)
        for row, label in enumerate(classes):
            others = np.delete(head.out_of_fold[row], label)
            assert head_difficulty(X, classes, "aum")[row] == pytest.approx(others.max() - head.out_of_fold[row, label])
            if row > 5:
                break
        expected = np.sqrt(((P - np.eye(3)[classes]) ** 2).sum(axis=1))
        np.testing.assert_allclose(head_difficulty(X, classes), expected)

    @pytest.mark.parametrize("name", ["ccs", "d2"])
    def test_methods_take_it(self, name):
        X, classes = blobs()
        labels = [str(label) for label in classes]
        found = get_method(name).select(X, 40, labels=labels, difficulty="head")
        given = get_method(name).select(X, 40, labels=labels, difficulty=head_difficulty(X, labels))
        assert found.indices.tolist() == given.indices.tolist()
        plain = get_method(name).select(X, 40, labels=labels)
        assert found.indices.tolist() != plain.indices.tolist()

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"difficulty": "hard"}, "or 'head' for that of the light head, got 'hard'"),
            ({"difficulty": "head"}, "difficulty='head' needs labels"),
            ({"difficulty": "head", "labels": ["a", "b", None, "a"] * 50}, "for every row, 50 of 200 lack one"),
        ],
    )
    def test_what_gives_no_difficulty_is_refused(self, options, says):
        with pytest.raises(CoresetError) as error:
            get_method("ccs").select(blobs()[0], 10, **options)
        assert says in str(error.value)
        with pytest.raises(CoresetError, match="no measure 'size' of difficulty; use one of el2n, grand, aum"):
            head_difficulty(*blobs(), "size")


class TestFused:
    def test_two_opinions(self):
        x, y = np.array([0.9, 0.8, 0.9, 0.9]), np.array([0.6, 0.8, 0.4, 0.7])
        same = np.array([True, True, True, False])
        found = fuse(x, y, same)
        np.testing.assert_allclose(found, [0.54 / 0.58, 0.64 / 0.68, 0.9, 0.27 / (0.27 + 0.07)])
        assert (found[:2] >= 0.8).all()
        assert found[3] < 0.9

    def test_neighbours_of_one_class_raise_confidence_and_a_conflict_lowers_it(self):
        confident = np.tile([0.9, 0.1], (17, 1))
        P = np.vstack([[0.98, 0.02], confident])
        neighbors = (np.tile(np.arange(1, 17), (18, 1)), np.full((18, 16), 0.1, dtype=np.float32))
        agreed = fused_uncertainty(Predictions.from_probabilities(P), neighbors)[0]
        disputed = fused_uncertainty(Predictions.from_probabilities(np.vstack([P[0], P[1:, ::-1]])), neighbors)[0]
        alone = 1 - (0.98 - 0.5) / 0.5
        far = (neighbors[0], np.full((18, 16), 1.0, dtype=np.float32))
        assert fused_uncertainty(Predictions.from_probabilities(P), far)[0] == pytest.approx(alone)
        assert agreed < alone < disputed

    def test_it_is_a_measure(self):
        X, _ = blobs()
        P = np.random.default_rng(0).dirichlet(np.ones(3), 200)
        found = get_method("margin").select(X, 20, predictions=P, measure="fused")
        assert ((found.scores >= 0) & (found.scores <= 1)).all()
        assert len(set(get_method("uherding").select(X, 20, predictions=P, measure="fused").indices)) == 20


class TestBalance:
    def test_the_class_with_the_fewest_labels_and_picks_comes_next(self):
        X, classes = blobs(300)
        said = Predictions.from_probabilities(np.eye(3)[classes] * 0.97 + 0.01, ["a", "b", "c"])
        labels = np.full(300, None, dtype=object)
        labels[np.flatnonzero(classes == 0)[:9]] = "a"
        labels[np.flatnonzero(classes == 1)[:2]] = "b"
        labelled = np.array([label is not None for label in labels])
        found = get_method("uherding").select(
            X, 11 + 12, predictions=said, preselected=labelled, groups=class_groups(said, labels), quota="uniform"
        )
        counts, expected = [9, 2, 0], []
        for _ in range(12):
            expected.append(int(np.argmin(counts)))
            counts[expected[-1]] += 1
        assert (
            np.bincount(classes[found.indices[11:]], minlength=3).tolist()
            == np.bincount(expected, minlength=3).tolist()
        )

    def test_labels_go_before_predictions(self):
        said = Predictions.from_confidence([0.9, 0.8, np.nan], ["cat", "dog", None])
        assert class_groups(said, ["dog", None, None]).tolist() == ["dog", "dog", None]


class TestCost:
    def problem(self):
        X, _ = blobs(120)
        rng = np.random.default_rng(1)
        return X, {"predictions": rng.dirichlet(np.ones(3), 120), "preselected": [3, 4]}, rng.uniform(0.2, 3, 120)

    def test_a_constant_cost_equals_none(self):
        X, options, _ = self.problem()
        plain = get_method("uherding").select(X, 40, **options).indices
        assert (
            get_method("uherding").select(X, 40, cost=np.full(120, 2.5), **options).indices.tolist() == plain.tolist()
        )

    def test_gain_per_cost_equals_plain_greedy(self):
        X, options, cost = self.problem()
        found = get_method("uherding").select(X, 12, cost=cost, bandwidth=0.5, **options)
        Z = X / np.linalg.norm(X, axis=1, keepdims=True)
        kernel = np.exp(-(np.linalg.norm(Z[:, None] - Z, axis=2) ** 2) / 0.25)
        P = np.sort(options["predictions"], axis=1)
        u = 1 - (P[:, -1] - P[:, -2])
        chosen = [3, 4]
        while len(chosen) < 12:
            gain = np.maximum(kernel - kernel[:, chosen].max(axis=1)[:, None], 0).T @ u / cost
            gain[chosen] = -1
            chosen.append(int(gain.argmax()))
        assert found.indices.tolist() == chosen

    def test_the_budget_is_never_exceeded_and_cheaper_rows_follow(self):
        X, options, cost = self.problem()
        ranking = get_method("uherding").select(X, 120, cost=cost, **options).indices[2:]
        for budget in (0.1, 1.0, 17.3, 1e9):
            paid = affordable(ranking, cost, budget)
            assert cost[paid].sum() <= budget
            left = budget - cost[paid].sum()
            assert not (cost[np.setdiff1d(ranking, paid)] <= left).any()
        assert len(affordable(ranking, cost, 1e9)) == 118

    @pytest.mark.parametrize("name", ["uherding", "maxherding"])
    def test_what_is_paid_is_worth_more_than_any_single_row(self, name):
        """By brute force over all sets that a budget pays for, of small problems."""
        alone_was_better = 0
        for case in range(60):
            rng = np.random.default_rng(case)
            X = rng.normal(size=(9, 3))
            cost, budget = rng.choice([0.3, 1, 4, 9], 9), rng.choice([1.0, 4.0, 9.0, 10.0])
            P = rng.dirichlet(np.ones(3), 9)
            u = rng.uniform(0.5, 1.5, 9)
            options = {"weights": u}
            if name == "uherding":
                top = np.sort(P, axis=1)
                u, options["predictions"] = u * (1 - (top[:, -1] - top[:, -2])), P
            Z = X / np.linalg.norm(X, axis=1, keepdims=True)
            kernel = np.exp(-(np.linalg.norm(Z[:, None] - Z, axis=2) ** 2) / 0.25)

            def value(rows, u=u, kernel=kernel):
                return (u * kernel[:, rows].max(axis=1, initial=0)).sum()

            picks = get_method(name).select(X, 9, cost=cost, cost_budget=budget, bandwidth=0.5, **options)
            assert sorted(picks.indices) == list(range(9))
            paid = affordable(picks.indices, cost, budget)
            assert paid.tolist() == picks.indices[: len(paid)].tolist(), "rows that do not fit come last"
            assert cost[paid].sum() <= budget
            pairs = [rows for size in (0, 1, 2, 3, 4) for rows in combinations(range(9), size)]
            payable = [list(rows) for rows in pairs if cost[list(rows)].sum() <= budget]
            singles = [value(rows) for rows in payable if len(rows) == 1]
            assert value(paid) >= max(singles, default=0) - 1e-6
            assert value(paid) >= (1 - 1 / np.e) / 2 * max(map(value, payable))
            greedy = []
            while True:
                gain = np.array([value([*greedy, row]) - value(greedy) for row in range(9)]) / cost
                gain[[row in greedy or cost[greedy].sum() + cost[row] > budget for row in range(9)]] = -1
                if gain.max() < 0:
                    break
                greedy.append(int(gain.argmax()))
            if value(greedy) >= max(singles, default=0):
                assert paid.tolist() == greedy
            else:
                assert value(paid[:1]) == pytest.approx(max(singles))
                alone_was_better += 1
        assert alone_was_better

    def test_a_constant_cost_with_a_budget_equals_none(self):
        X, options, _ = self.problem()
        plain = get_method("uherding").select(X, 22, **options).indices[2:]
        priced = get_method("uherding").select(X, 40, cost=np.full(120, 2.5), cost_budget=50, **options).indices[2:]
        assert affordable(priced, np.full(120, 2.5), 50).tolist() == plain.tolist()

    def test_a_row_must_cost_something(self):
        X, options, cost = self.problem()
        cost[[5, 6]] = 0, np.nan
        with pytest.raises(CoresetError, match="cost: 2 of 120 values are not positive"):
            get_method("uherding").select(X, 40, cost=cost, **options)
        with pytest.raises(CoresetError, match="cost_budget= is spent on cost="):
            get_method("uherding").select(X, 40, cost_budget=5, **options)
        for budget in (0, -1.0, np.nan, True, "5"):
            with pytest.raises(CoresetError, match="cost_budget must be a positive number in the unit of cost="):
                get_method("maxherding").select(X, 40, cost=np.ones(120), cost_budget=budget)
