"""Budgets in minutes, measures of stored predictions, and what was sent and has not come back."""

from __future__ import annotations

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone_coreset.plugin.rounds.batch import preview_next
from labelling import label, truth
from scipy.special import logsumexp, softmax

N = 60


@pytest.fixture
def labelled(pool, ask):
    """The pool after a first round, with "minutes" for every image."""
    label(ask().view)
    fc.record_round(pool)
    pool.set_values("minutes", (1.0 + np.random.default_rng(1).integers(0, 9, N) / 2).tolist())
    return pool


def minutes(pool, ids):
    return dict(zip(pool.values("id"), pool.values("minutes"), strict=True)), [str(row) for row in ids]


@pytest.mark.parametrize("method", [None, "margin", "kmedoids"])
def test_a_budget_of_minutes_is_kept_and_used(labelled, ask, method):
    batch = ask(budget=20, cost="minutes", method=method)
    cost_of, ids = minutes(labelled, batch.ids)
    spent = sum(cost_of[row_id] for row_id in ids)
    assert 20 - np.median(list(cost_of.values())) < spent <= 20
    entry = batch.results.last
    assert (entry.budget, entry.cost, entry.spent) == (20, "minutes", spent)
    if method is None:
        free = set(labelled.exists("gt", False).values("id")) - set(ids)
        assert min(cost_of[row_id] for row_id in free) > 20 - spent, "what still fits is asked for"
    assert f"They cost {spent:g} of 20 by 'minutes'" in batch.why
    assert fc.load_rounds(labelled).last.spent == spent


def test_the_next_batch_is_looked_for_at_the_same_price(labelled, ask):
    label(ask(budget=12, cost="minutes").view)
    fc.record_round(labelled)
    shown, asked = preview_next(fc.load_rounds(labelled)), ask(budget=12, cost="minutes")
    assert shown.ids.tolist() == asked.ids.tolist()
    assert (shown.results.last.cost, shown.results.last.budget) == ("minutes", 12)


def test_equal_costs_choose_what_no_costs_choose(labelled, ask):
    plain = ask(force=True)
    fc.load_rounds(labelled).cancel(plain.number)
    assert ask(budget=15, cost=np.full(N, 2.5)).ids.tolist() == plain.ids.tolist()


UNUSABLE = [
    ("gone", 5, "field 'gone' does not exist"),
    ("minutes", 0, "budget must be a positive number in the unit of cost="),
    ("minutes", 0.5, "the cheapest label costs 1 in 'minutes', more than the budget 0.5"),
    ("holes", 5, "cost: 10 of 54 that could be asked for have no positive number in 'holes'"),
    ([1.0, 2.0], 5, "one number a row, 60 in all"),
    (["cheap"] * N, 5, "cost must be a field or an array of numbers"),
]


def test_unusable_costs_are_refused(labelled, ask):
    free = labelled.exists("gt", False).values("id")
    labelled.set_values("holes", {row: (None if n < 10 else 1.0) for n, row in enumerate(free)}, key_field="id")
    for cost, budget, sentence in UNUSABLE:
        with pytest.raises(fc.CoresetError, match=sentence):
            ask(cost=cost, budget=budget)
    assert len(fc.load_rounds(labelled)) == 1


def predictions(pool, seed):
    """Logits of a model that is right, more or less surely."""
    names = list(truth(pool).values())
    logits = np.random.default_rng(seed).normal(size=(N, 3)) + 2 * np.array(
        [[name == c for c in "abc"] for name in names]
    )
    return logits.astype(np.float32)


def store(pool, field, logits):
    pool.set_values(
        field, [fo.Classification(label="abc"[int(row.argmax())], confidence=0.5, logits=row) for row in logits]
    )


def test_the_energy_of_stored_logits_orders_a_batch(labelled, ask):
    logits = predictions(labelled, 0)
    store(labelled, "pred", logits)
    batch = ask(predictions="pred", method="margin", measure="energy", deduplicate=False)
    free = [row for row, found in enumerate(labelled.values("gt")) if found is None]
    energy = -logsumexp(logits.astype(float), axis=1)
    ids = labelled.values("id")
    assert batch.ids.tolist() == [ids[row] for row in sorted(free, key=lambda row: -energy[row])[:6]]


def test_what_model_and_neighbours_leave_open_is_added_up(labelled, ask):
    """The stop of Info-Coevolution: less than one image in all that is left."""
    names = list(truth(labelled).values())
    for share, is_little in ((0.6, False), (0.999, True)):
        P = [[share if name == c else (1 - share) / 2 for c in "abc"] for name in names]
        store(labelled, "pred", np.array(P))
        rounds = ask(predictions="pred", measure="fused").results
        free = np.array([name is None for name in labelled.values("gt")])
        open_ = np.array(labelled.values("rounds_uncertainty"), dtype=float)[free].sum()
        assert (open_ < 1) == is_little
        assert ("left" in [line.topic for line in rounds.advice().lines]) == is_little
        rounds.cancel(rounds.last.number)


def test_probabilities_have_no_energy(labelled, ask):
    store(labelled, "pred", softmax(predictions(labelled, 0), axis=1))
    with pytest.raises(fc.CoresetError, match="'energy' cannot be told from these predictions"):
        ask(predictions="pred", method="margin", measure="energy")


def test_the_disagreement_of_two_fields_orders_a_batch(labelled, ask):
    several = [predictions(labelled, seed) for seed in (0, 1)]
    for name, logits in zip(("one", "two"), several, strict=True):
        store(labelled, name, logits)
    batch = ask(predictions=["one", "two"], method="margin", measure="disagreement", deduplicate=False)
    P = np.stack([softmax(logits.astype(float), axis=1) for logits in several])

    def entropy(p):
        return -(p * np.log(p)).sum(-1)

    wanted = entropy(P.mean(axis=0)) - entropy(P).mean(axis=0)
    free = [row for row, found in enumerate(labelled.values("gt")) if found is None]
    ids = labelled.values("id")
    assert batch.ids.tolist() == [ids[row] for row in sorted(free, key=lambda row: -wanted[row])[:6]]
    assert len(ask(predictions=["one", "two"], measure="disagreement", force=True)) == 6, "uherding takes it too"


def test_what_has_not_come_back_is_not_asked_for_again(pool, ask):
    first = ask()
    back = first.view.limit(4)
    label(back)
    entry = fc.record_round(pool)
    assert (entry.n_returned, entry.n_labels_after) == (4, 4)
    away = set(first.ids) - set(back.values("id"))
    assert len(away) == 2
    batch = ask(budget=N)
    assert not away & set(batch.ids)
    assert batch.labelled == 4, "what is away is not counted as labelled"
    assert len(batch) == N - 6
    assert "2 asked for and not come back" in batch.why
    fc.load_rounds(pool).cancel(2)
    assert away <= set(ask(budget=N, ask_again=True).ids)
