"""Two people label two batches at once: each is recorded, or taken back, by its number."""

from __future__ import annotations

import fiftyone_coreset as fc
import numpy as np
import pytest
from labelling import label


@pytest.fixture
def both(pool, ask):
    """Labelled test images, and two open batches."""
    fc.reserve_test(pool, size=15)
    label(pool.match_tags("test"))
    return ask(), ask(force=True)


def test_each_is_recorded_by_its_number(pool, both):
    first, second = both
    label(second.view)
    assert fc.record_round(pool).number == 2, "only of this one anything came back"
    label(first.view)
    assert fc.record_round(pool).number == 1, "the other one is recorded"
    rounds = fc.load_rounds(pool)
    assert [(entry.n_returned, entry.n_labels_after) for entry in rounds.history] == [(6, 12), (6, 6)]
    assert rounds.curve().n_labels.tolist() == [6, 12]
    before, after = (rounds.history[place].metrics["accuracy"].value for place in (1, 0))
    assert rounds.history[0].change[0] == pytest.approx(after - before), "against what was recorded before it"
    assert rounds.history[1].change is None


def test_it_is_said_when_both_came_back(pool, both):
    for batch in both:
        label(batch.view)
    with pytest.raises(fc.CoresetError, match=r"came back of rounds 1 and 2 of 'rounds', .* say with number= which"):
        fc.record_round(pool)
    assert fc.record_round(pool, number=2).number == 2
    assert fc.record_round(pool).number == 1
    assert fc.record_round(pool).number == 1, "the last that was recorded can be recorded again"
    for number in (2, 3, 0):
        with pytest.raises(fc.CoresetError, match=f"round {number} of 'rounds' cannot be recorded; it can be: 1"):
            fc.record_round(pool, number=number)


def test_the_earlier_one_can_be_taken_back(pool, both, ask):
    second = both[1]
    label(second.view)
    fc.load_rounds(pool).cancel(1)
    rounds = fc.load_rounds(pool)
    assert [entry.number for entry in rounds.history] == [2]
    assert pool.list_saved_views() == ["rounds round 2"]
    with pytest.raises(fc.CoresetError, match="'rounds' has no round 1; its rounds are 2"):
        rounds.view(1)
    assert fc.record_round(pool).number == 2
    third = ask()
    assert third.number == 3
    assert not set(third.ids) & set(second.ids)


def test_what_the_last_record_measured_is_the_latest(pool, both):
    from fiftyone_coreset.plugin.rounds.row_values import latest

    for number in (2, 1):
        label(both[number - 1].view)
        fc.record_round(pool, number=number)
    rounds = fc.load_rounds(pool)
    np.testing.assert_array_equal(latest(rounds, "correct", -1), rounds.arrays["correct_1"])


def test_a_test_image_of_an_open_batch_is_no_longer_waited_for(pool, ask):
    batch = ask()
    pool.select(batch.ids[:3]).tag_samples("test")
    label(pool.select(batch.ids[3:]))
    again = ask()
    assert "3 of the test images were asked for by an earlier round, which counts them no more" in again.why
    assert not set(again.ids) & set(batch.ids)
    assert fc.record_round(pool, number=1).n_returned == 3
