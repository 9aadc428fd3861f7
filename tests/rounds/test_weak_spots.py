"""Weak spots: a class that nobody labelled is the weakest, and its view holds it."""

from __future__ import annotations

import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone_coreset.plugin.rounds.weak_spots import wilson_interval
from labelling import label, truth


@pytest.mark.parametrize(("right", "n"), [(0, 5), (9, 10), (10, 10), (37, 120)])
def test_the_interval_is_wilsons(right, n):
    from scipy.stats import binomtest

    expected = binomtest(right, n).proportion_ci(0.95, method="wilson")
    assert wilson_interval(right, n) == pytest.approx((expected.low, expected.high), abs=1e-4)


def _record_without_c(pool, ask):
    """A round of which only images of a and b came back; half of c are test images."""
    shown = truth(pool)
    c = [row_id for row_id, name in shown.items() if name == "c"]
    pool.select(c[:12]).tag_samples("test")
    pool.select(c[12:14]).tag_samples("skip")
    label(pool.match_tags("test"))
    label(pool.select([row_id for row_id, name in shown.items() if name != "c"][:4]))
    label(pool.select([row_id for row_id in ask(budget=6).ids if shown[row_id] != "c"]))
    ask_again = fc.record_round(pool)
    return c[14:], ask_again


def test_a_class_without_labels_is_the_weakest_spot(pool, ask):
    c, entry = _record_without_c(pool, ask)
    assert entry.metrics["accuracy"].value == 0
    rounds = fc.load_rounds(pool)
    found = rounds.weak_spots(n_clusters=3)
    weakest = found.spots[0]
    assert set(weakest.ids) == set(c) == set(found.view(0).values("id"))
    assert (weakest.n_labels, weakest.n_tested, weakest.accuracy, weakest.expected_error) == (0, 12, 0.0, 1.0)
    assert weakest.covered == 0
    stored = dict(zip(pool.values("id"), pool.values("rounds_uncertainty"), strict=True))
    asked = [stored[row_id] for row_id in weakest.ids if stored[row_id] is not None]
    assert weakest.uncertainty == pytest.approx(np.mean(asked))
    assert all(spot.covered > 0 for spot in found.spots[1:])
    assert sum(spot.share for spot in found.spots) == pytest.approx(1)
    assert "0% of 12 (0% to 24%)" in str(found)
    weights = [spot.weight for spot in found.spots]
    assert weights == sorted(weights, reverse=True)


def test_what_has_no_weak_spots(pool, ask):
    ask()
    rounds = fc.load_rounds(pool)
    with pytest.raises(fc.CoresetError, match="there is no weak spot 3; there are 3, from 0"):
        rounds.weak_spots(n_clusters=3).view(3)
    label(pool)
    with pytest.raises(fc.CoresetError, match="all 60 images have a label"):
        rounds.weak_spots()
    rounds.config.embeddings = None
    with pytest.raises(fc.CoresetError, match="weak spots need a field of embeddings"):
        rounds.weak_spots()


def test_by_class_labels_and_predictions_divide_the_pool(pool, ask):
    fc.reserve_test(pool, 15)
    label(pool.match_tags("test"))
    for _ in range(2):
        label(ask().view)
        fc.record_round(pool)
    rounds = fc.load_rounds(pool)
    found = {spot.classes[0]: spot for spot in rounds.weak_spots(by="class").spots}
    predicted = dict(zip(rounds.ids, np.array(rounds.last.classes)[rounds.arrays["predicted_2"]], strict=True))
    shown, test = truth(pool), pool.match_tags("test").values("id")
    for name, spot in found.items():
        assert set(spot.ids) == {row for row in pool.exists("gt", False).values("id") if predicted[row] == name}
        assert spot.n_labels == rounds.last.labels_per_class[name]
        assert spot.n_tested == [shown[row] for row in test].count(name)
    assert sum(spot.share for spot in found.values()) == pytest.approx(1)
    with pytest.raises(fc.CoresetError, match="by must be 'cluster' or 'class', got 'size'"):
        rounds.weak_spots(by="size")


def test_what_many_labels_have_not_taught_is_named(pool, ask):
    import fiftyone as fo

    shown = truth(pool)
    c = [row for row, name in shown.items() if name == "c"]
    known = {row: fo.Classification(label=f"x{place % 6}") for place, row in enumerate(c[:12])}
    pool.set_values("gt", known, key_field="id")
    label(pool.select([row for row, name in shown.items() if name != "c"][:24]))
    label(ask(budget=2).view)
    fc.record_round(pool)
    assert not any(spot.not_learned for spot in fc.load_rounds(pool).weak_spots(n_clusters=3).spots), "one round only"
    label(ask(budget=2).view)
    fc.record_round(pool)
    found = fc.load_rounds(pool).weak_spots(n_clusters=3)
    assert [set(spot.ids) <= set(c) for spot in found.spots] == [spot.not_learned for spot in found.spots]
    assert any(spot.not_learned for spot in found.spots)
    assert "(not learned)" in str(found)
    assert "suspicious labels in it" in str(found)
