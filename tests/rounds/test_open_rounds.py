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


def test_images_that_were_asked_for_are_refused_as_test_images(pool, ask):
    """C.7: they were chosen, so they are harder than the rest; without the tag they are labels as before."""
    fc.reserve_test(pool, size=15)
    label(pool.match_tags("test"))
    batch = ask()
    moved = pool.select(batch.ids[:3])
    moved.tag_samples("test")
    label(batch.view)
    refused = (
        r"3 of the 18 test images, such as '\w+', were asked for by a round of 'rounds', .* remove their tag 'test'"
    )
    for call in (ask, lambda: ask(force=True), lambda: ask(preview=True), lambda: fc.record_round(pool)):
        with pytest.raises(fc.CoresetError, match=refused):
            call()
    assert fc.load_rounds(pool).last.is_open
    assert len(ask(brain_key="other")) == 6, "of another campaign they were not chosen by any round"
    moved.untag_samples("test")
    entry = fc.record_round(pool)
    assert (entry.n_returned, entry.metrics["accuracy"].n) == (6, 15)
    assert ask().number == 2
