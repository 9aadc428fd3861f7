"""Agreement, and advice: several signals with their evidence, never one verdict."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.rounds.advice import advise
from fiftyone_coreset.plugin.rounds.agreement import cohen_kappa, f1_bound, paired_change
from fiftyone_coreset.plugin.rounds.curve import LearningCurve, learning_curve
from hypothesis import given, settings
from hypothesis import strategies as st

N = np.array([50, 100, 200, 400, 800])
CURVE = learning_curve(N, 2.0 * N**-0.5 + 0.1, np.full(5, 0.01))
SHORT = learning_curve(N[:2], [0.4, 0.3], [0.02, 0.02])


@pytest.mark.parametrize("classes", [[0, 0, 0], [0, 1, 2]])
def test_perfect_agreement_is_one(classes):
    assert cohen_kappa(np.array(classes), np.array(classes)) == 1.0


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=60))
def test_kappa_is_scikit_learns(pairs):
    from sklearn.metrics import cohen_kappa_score

    before, after = map(np.array, zip(*pairs, strict=True))
    if not (before == after).all():
        assert cohen_kappa(before, after) == pytest.approx(cohen_kappa_score(before, after))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=50))
def test_the_error_of_a_paired_change_is_that_of_the_mean_of_differences(pairs):
    before, after = map(np.array, zip(*pairs, strict=True))
    differences = after.astype(int) - before.astype(int)
    change, error = paired_change(before, after)
    assert change == pytest.approx(differences.mean())
    assert error == pytest.approx(differences.std() / math.sqrt(len(differences)), abs=1e-7)


def test_the_bound_on_f1():
    assert f1_bound(1.0) == 0
    assert f1_bound(0.99) == pytest.approx(0.0404, abs=1e-4)
    assert f1_bound(0.0) == math.inf


def test_gain_target_and_stability_stand_side_by_side():
    advice = advise(CURVE, 100, target=0.83, kappas=[0.5, 0.9], cost_per_label=0.5)
    assert [line.topic for line in advice.lines] == ["gain", "target", "stability"]
    assert advice.gain.value == pytest.approx(2 * 800**-0.5 - 2 * 900**-0.5, abs=2e-4)
    gain, target, stability = advice.summary().splitlines()
    assert gain.startswith("The next 100 labels are expected to bring 0.4 points")
    assert "They cost 50, " in gain
    assert target.startswith("To reach 83%, about 1")
    assert stability.startswith("The predictions still change")
    assert all(line.evidence for line in advice.lines)


def test_a_target_without_any_measured_round():
    nothing = np.empty(0)
    advice = advise(
        LearningCurve(nothing, nothing, nothing, None, None, "accuracy", "Nothing is measured."), 6, target=0.9
    )
    gain, target, _ = advice.lines
    assert gain.text == "What more labels bring is not known yet. Nothing is measured."
    assert target.text == "When 90% is reached is not known yet, either."


def test_what_the_next_batch_brings_net():
    """0.40 points at 200 each, less 50 for its labels."""
    advice = advise(CURVE, 100, cost_per_label=0.5, value_per_point=200)
    points = 100 * advice.gain.value
    net = float(re.search(r"At 200 a point they bring (\S+) net", advice.summary())[1])
    assert net == pytest.approx(200 * points - 50, rel=0.01)
    with pytest.raises(CoresetError, match="value_per_point must not be negative, got -1"):
        advise(CURVE, 100, value_per_point=-1)


def test_agreement_comes_with_the_bound_on_f1_and_only_of_classes():
    (line,) = (line for line in advise(CURVE, 100, kappas=[0.98]).lines if line.topic == "stability")
    assert "mean kappa 0.980 over the last 1 changes, so F1 has moved by 0.082 at most" in line.evidence
    assert [line.topic for line in advise(CURVE, 100, kappas=None).lines] == ["gain"]


@pytest.mark.parametrize(("left", "topics"), [(None, []), (1.0, []), (0.9, ["left"])])
def test_little_is_left_where_model_and_neighbours_agree(left, topics):
    assert [line.topic for line in advise(CURVE, 100, kappas=None, left=left).lines[1:]] == topics


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (0.5, "50% is reached."),
        (0.95, "95% is not reached with twice the labels at hand."),
        (0.84, "To reach 84%, about "),
    ],
)
def test_targets_near_and_far(target, sentence):
    assert re.search(sentence, advise(CURVE, 100, target=target).lines[1].text)


def test_the_target_names_both_ends_of_the_band():
    noisy = learning_curve(N, 2.0 * N**-0.5 + 0.1, np.full(5, 0.03))
    advice = advise(noisy, 100, target=0.84)
    assert advice.labels_to_target.low <= advice.labels_to_target.value <= advice.labels_to_target.high
    assert "to not within reach)" in advice.lines[1].text


@pytest.mark.parametrize(
    ("kappas", "stable"),
    [([0.99, 0.99, 0.99], True), ([1.0, 1.0], False), ([0.98, 0.99, 0.995], False), ([0.5, 1, 1, 1], True)],
)
def test_stability_needs_three_rounds(kappas, stable):
    assert advise(CURVE, 100, kappas=kappas).stable is stable


def test_without_a_law_the_advice_says_so():
    advice = advise(SHORT, 100, target=0.9)
    assert advice.gain is None
    assert advice.labels_to_target is None
    assert advice.kappa is None
    assert "A curve is fitted from 4 rounds on; there are 2." in advice.lines[0].text
    assert "known after two rounds" in advice.lines[2].text


def test_a_batch_beyond_the_horizon_is_not_foreseen():
    assert "is not foreseen" in advise(CURVE, 801).lines[0].text


def test_little_uncertainty_is_a_hint():
    assert advise(CURVE, 100, entropy=0.01).lines[-1].topic == "uncertainty"
    assert advise(CURVE, 100, entropy=0.2).lines[-1].topic == "stability"


@pytest.mark.parametrize(
    ("n", "worse", "said"),
    [
        ([60, 150, 300], [0, 0.009, 0.009], True),
        ([60, 150, 300], [0, 0.009, 0.03], False),  # a gain of three standard errors in the last round
        ([60, 150, 300, 600], [0.3, 0, 0, 0], True),  # only the last three count
        ([10, 150, 300], [0, 0, 0], False),  # fewer labels than the first round of chosen ones
        ([150, 300], [0, 0], False),
    ],
)
def test_labels_that_teach_no_more_than_random_ones_are_told(n, worse, said):
    chosen = np.interp(np.log(n), np.log(CURVE.n_labels), CURVE.errors)
    random = learning_curve(n, chosen + worse, np.full(len(n), 0.01))
    lines = advise(CURVE, 100, random=random).lines
    assert (lines[-1].topic == "random") == said
    if said:
        assert lines[-1].evidence.endswith(f"{n[-2]}, {n[-1]} random labels")


@pytest.mark.parametrize(("farthest", "said"), [(0.1, True), (0.2, True), (0.21, False), (None, False)])
def test_a_pool_of_near_duplicates_of_labels_has_nothing_new(farthest, said):
    line = advise(CURVE, 100, farthest=farthest, near_duplicates=0.2).lines[-1]
    assert (line.topic == "nothing new") == said
    assert not said or f"the farthest is {farthest}" in line.evidence


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"batch": 0}, "at least 1 label, got 0"),
        ({"batch": 10, "target": 1.5}, "target=1.5: give a share"),
        ({"batch": 10, "cost_per_label": -1}, "must not be negative"),
    ],
)
def test_bad_input_is_refused(arguments, sentence):
    with pytest.raises(CoresetError, match=sentence):
        advise(CURVE, **arguments)
