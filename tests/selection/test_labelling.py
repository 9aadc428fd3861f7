"""Several annotators, active testing, short menus and piles: against cleanlab, simulations and counted cases."""

from dataclasses import replace

import numpy as np
import pytest
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.selection.active_testing import draw_test, lure_risk, lure_weights
from fiftyone_coreset.plugin.selection.annotators import active_lab
from fiftyone_coreset.plugin.selection.menus import candidate_sets, piles
from fiftyone_coreset.plugin.selection.predictions import Predictions


def crowd(seed, n=80, annotators=4, n_classes=3, share=0.5, accuracy=(0.9, 0.8, 0.7, 0.4)):
    """Labels of annotators of different skill, and a model."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, n_classes, n)
    labels = np.full((n, annotators), -1)
    for j in range(annotators):
        right = rng.random(n) < accuracy[j]
        labels[:, j] = np.where(right, truth, rng.integers(0, n_classes, n))
    labels[rng.random((n, annotators)) > share] = -1
    P = rng.dirichlet(np.ones(n_classes), n) + 1.5 * np.eye(n_classes)[truth] * (rng.random(n) < 0.8)[:, None]
    return labels, (P / P.sum(axis=1, keepdims=True)).astype(np.float32)


def stored(P):
    """Probabilities as they are kept: in single precision, adding up to 1 only so far."""
    return Predictions.from_probabilities(P).probabilities.astype(np.float64)


@pytest.fixture
def cleanlab(monkeypatch):
    """cleanlab with label shares at their classes.

    Version 2.9.0 looks for the temperature with counts that its own docstring promises otherwise: of labels that are
    floats, as those of a table with missing ones are, it puts the counts at the first classes.
    """
    module = pytest.importorskip("cleanlab.multiannotator")
    from cleanlab.internal import multiannotator_utils

    def counts(labels, num_classes):
        return np.bincount(labels.astype(int), minlength=num_classes)

    monkeypatch.setattr(multiannotator_utils, "value_counts", counts)
    return module


class TestActiveLab:
    @pytest.mark.parametrize("seed", range(4))
    def test_equals_cleanlab(self, cleanlab, seed):
        labels, P = crowd(seed)
        has = (labels >= 0).any(axis=1)
        assert 0 < has.sum() < len(has)
        table, exact = np.where(labels < 0, np.nan, labels.astype(float)), stored(P)
        expected, unlabelled = cleanlab.get_active_learning_scores(table[has], exact[has], exact[~has])
        found = active_lab(labels, P)
        np.testing.assert_allclose(found.score[has], expected, atol=1e-9)
        np.testing.assert_allclose(found.score[~has], unlabelled, atol=1e-9)

    def test_one_label_each_equals_cleanlab(self, cleanlab):
        labels, P = crowd(5, share=1.0)
        keep = np.random.default_rng(0).integers(0, 4, 80)
        labels[np.arange(4)[None] != keep[:, None]] = -1
        table = np.where(labels < 0, np.nan, labels.astype(float))
        expected, _ = cleanlab.get_active_learning_scores(table, stored(P))
        np.testing.assert_allclose(active_lab(labels, P).score, expected, atol=1e-9)

    def test_three_labels_that_agree_stand_above_two(self):
        labels, P = crowd(1)
        labels[0], labels[1] = [1, 1, 1, -1], [1, 1, -1, -1]
        P[[0, 1]] = [0.1, 0.8, 0.1]
        score = active_lab(labels, P).score
        assert score[0] > score[1]

    def test_an_annotator_who_guesses_weighs_nothing(self):
        labels, P = crowd(2, n=4000, share=1.0, accuracy=(0.95, 0.95, 0.9, 0.0))
        found = active_lab(labels, P)
        assert found.annotator_weights[3] == pytest.approx(1e-6, abs=0.05)
        assert (found.annotator_weights[:3] > 0.3).all()
        assert found.quality.mean() > 0.6

    def test_names_and_numbers_are_the_same(self):
        labels, P = crowd(3)
        said = Predictions.from_probabilities(P, ["a", "b", "c"])
        names = np.array(["a", "b", "c", None], dtype=object)[labels]
        np.testing.assert_array_equal(active_lab(names, said).score, active_lab(labels, P).score)

    def test_without_any_label_the_least_certain_come_first(self):
        _, P = crowd(0)
        score = active_lab(np.full((80, 2), -1), P).score
        np.testing.assert_array_equal(np.argsort(score), np.argsort(P.max(axis=1)))

    @pytest.mark.parametrize(
        ("annotations", "says"),
        [
            ([[0], [1]], "a row for each of the 80 predictions and a column for each annotator, got shape (2, 1)"),
            ([[0]] * 79 + [["bird"]], "annotator 1 labels row 79 as 'bird', which is none of the 3 classes"),
            ([[7]] * 80, "annotator 1 labels row 0 as 7"),
        ],
    )
    def test_what_is_no_label_is_refused(self, annotations, says):
        with pytest.raises(CoresetError) as error:
            active_lab(annotations, crowd(0)[1])
        assert says in str(error.value)


class TestActiveTesting:
    def world(self, n=60):
        rng = np.random.default_rng(0)
        confidence = rng.uniform(0.4, 1, n)
        return Predictions.from_confidence(confidence), (rng.random(n) > confidence).astype(float)

    def test_the_risk_is_unbiased_and_its_error_honest(self):
        said, losses = self.world()
        found = []
        for seed in range(2000):
            drawn = draw_test(said, 15, seed=seed)
            found.append(lure_risk(losses[drawn.rows], drawn.probabilities, drawn.n_pool))
        risks, errors = np.transpose(found)
        assert abs(risks.mean() - losses.mean()) < 4 * risks.std() / np.sqrt(2000)
        assert errors.mean() == pytest.approx(risks.std(), rel=0.2)
        plain = [losses[draw_test(said, 15, seed=seed).rows].mean() for seed in range(200)]
        assert np.mean(plain) > losses.mean() + 0.05  # without weights the chosen rows look too hard

    def test_uniform_draws_weigh_1(self):
        q = 1 / np.arange(50, 38, -1)
        np.testing.assert_allclose(lure_weights(q, 50), 1)
        losses = np.arange(12.0)
        assert lure_risk(losses, q, 50)[0] == pytest.approx(losses.mean())

    def test_the_whole_pool_gives_the_plain_mean(self):
        said, losses = self.world()
        drawn = draw_test(said, 60)
        assert sorted(drawn.rows) == list(range(60))
        risk, error = lure_risk(losses[drawn.rows], drawn.probabilities, 60)
        assert (risk, error) == (pytest.approx(losses.mean()), 0)

    def test_draws_follow_the_probabilities_that_are_kept(self):
        said = Predictions.from_confidence([1.0, 0.9, 0.5, np.nan, 0.2])
        first = [draw_test(said, 1, excluded=[4], seed=seed) for seed in range(3000)]
        counts = np.bincount([draw.rows[0] for draw in first], minlength=5) / 3000
        expected = np.array([0.1 / 3, 0.9 * 0.1 / 0.6 + 0.1 / 3, 0.9 * 0.5 / 0.6 + 0.1 / 3, 0, 0])
        np.testing.assert_allclose(counts, expected, atol=4 * np.sqrt(0.25 / 3000))
        assert first[0].probabilities[0] == pytest.approx(expected[first[0].rows[0]])

    @pytest.mark.parametrize(
        ("ask", "says"),
        [
            (lambda said: draw_test(said, 61), "size must lie in 1..60"),
            (lambda said: lure_risk([1.0], [0.5, 0.5], 10), "1 losses and 2 probabilities of a pool of 10"),
            (lambda said: lure_risk([1.0, 1.0], [0.5, 0.5], 1), "of a pool of 1"),
            (lambda said: lure_risk([np.nan], [0.5], 10), "losses must be finite"),
            (lambda said: lure_risk([1.0], [0.0], 10), "above 0 and at most 1"),
        ],
    )
    def test_what_gives_no_risk_is_refused(self, ask, says):
        with pytest.raises(CoresetError) as error:
            ask(self.world()[0])
        assert says in str(error.value)


class TestCandidateSets:
    def rows(self, n, rng):
        P = rng.dirichlet(np.ones(6) * 0.5, n)
        return P, np.array([rng.choice(6, p=p) for p in P])

    @pytest.mark.parametrize("alpha", [0.05, 0.2])
    def test_fresh_rows_are_covered(self, alpha):
        rng = np.random.default_rng(0)
        covered = []
        for _ in range(60):
            sets = candidate_sets(*self.rows(100, rng), alpha=alpha)
            P, truth = self.rows(200, rng)
            covered.append(sets.members(P)[np.arange(200), truth].mean())
        assert np.mean(covered) >= 1 - alpha - 3 * np.std(covered) / np.sqrt(60)
        assert np.mean(covered) <= 1 - alpha + 1 / 101 + 3 * np.std(covered) / np.sqrt(60) + 0.03

    def test_the_limit_by_hand(self):
        P = np.column_stack([np.linspace(0.05, 0.95, 19), 1 - np.linspace(0.05, 0.95, 19)])
        sets = candidate_sets(P, np.zeros(19, dtype=int))  # (19 + 1) * 0.95 = 19: the least probable true class
        assert sets.least == pytest.approx(0.05)
        assert sets.members(P)[:, 0].all()

    def test_menus_have_names_and_are_never_empty(self):
        said = Predictions.from_probabilities([[0.5, 0.4, 0.1], [0.34, 0.33, 0.33]], ["cat", "dog", "owl"])
        sets = candidate_sets([[0.9, 0.1, 0]] * 40, [0] * 40)
        assert sets.names(said) == [["cat"], ["cat"]]
        assert replace(sets, least=0.3).names(said)[0] == ["cat", "dog"]

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"targets": [0] * 18, "n": 18}, "need at least 19 labels of a random test set, there are 18"),
            ({"targets": [2] * 30, "n": 30}, "a class number for each of the 30 rows"),
            ({"targets": [0.5] * 30, "n": 30}, "a class number for each of the 30 rows"),
            ({"targets": [0] * 30, "n": 30, "alpha": 1.0}, "alpha must lie between 0 and 1"),
        ],
    )
    def test_what_cannot_be_calibrated_is_refused(self, options, says):
        with pytest.raises(CoresetError) as error:
            candidate_sets([[0.6, 0.4]] * options.pop("n"), **options)
        assert says in str(error.value)


def test_piles():
    said = Predictions.from_confidence([0.99, 0.96, 0.9, np.nan, 0.99, 0.99])
    assert piles(said).tolist() == ["confirm", "confirm", "label", "label", "confirm", "confirm"]
    off = replace(said, off_topic=np.array([0, 0.02, 0, 0, 0.5, 0.97]))
    assert piles(off).tolist() == ["confirm", "label", "label", "label", "label", "skip"]
    assert piles(said, risk=0.2).tolist().count("confirm") == 5
