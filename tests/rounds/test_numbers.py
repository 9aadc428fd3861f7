"""Rounds on labels that are numbers."""

from __future__ import annotations

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest


def _measure(pool, ids=None, as_documents=False):
    """Writes the number that an image shows, to some or all images."""
    vectors = np.stack(pool.values("emb"))
    shown = dict(zip(pool.values("id"), (vectors[:, 0] - vectors[:, 1]).tolist(), strict=True))
    wrap = (lambda value: fo.Regression(value=value)) if as_documents else float
    chosen = {row_id: wrap(value) for row_id, value in shown.items() if ids is None or row_id in set(ids)}
    pool.set_values("size", chosen, key_field="id")
    return shown


@pytest.mark.parametrize("as_documents", [False, True])
def test_the_loop_on_numbers(pool, ask, as_documents):
    test = fc.reserve_test(pool, 15).values("id")
    if not as_documents:
        pool.add_sample_field("size", fo.FloatField)
    batch = ask(label_field="size")
    assert batch.results.last.method == "kmedoids"
    for number in (1, 2):
        shown = _measure(pool, [*test, *batch.ids], as_documents)
        entry = fc.record_round(pool)
        left = [row_id for row_id in test if row_id in shown]
        truth = np.array([shown[row_id] for row_id in left])
        known = {*batch.results.ids[batch.results.round > 0]}
        vectors, ids = np.stack(pool.values("emb")), pool.values("id")
        head = fc.fit_ridge(vectors, [shown[row_id] if row_id in known else None for row_id in ids])
        said = dict(zip(ids, head.predict(vectors), strict=True))
        wrong = ((truth - [said[row_id] for row_id in left]) ** 2).sum()
        wanted = max(0, 1 - wrong / ((truth - truth.mean()) ** 2).sum())
        assert entry.metrics["r2"].value == pytest.approx(wanted, abs=1e-6)
        if number == 1:
            batch = ask(label_field="size")
            assert batch.results.last.method == "uherding"
            assert "6 labels were there before" in batch.why
            assert "those of the light head" in batch.why
            leverage = dict(zip(ids, head.leverage(vectors), strict=True))
            field = dict(zip(ids, pool.values("rounds_uncertainty"), strict=True))
            assert all(
                field[row_id] == pytest.approx(leverage[row_id] / (1 + leverage[row_id]), abs=1e-5)
                for row_id in batch.ids
            )
    rounds = fc.load_rounds(pool)
    assert rounds.curve().n_labels.tolist() == [6, 12]
    assert rounds.curve().metric == "r2 of the light head"
    assert "labels | r2 " in " ".join(rounds.markdown().split())
    assert len(rounds.weak_spots(n_clusters=3)) == 3
    assert [line.topic for line in rounds.advice().lines] == ["gain"], "numbers do not agree as classes do"
    assert "A curve is fitted from 4 rounds" in rounds.advice(target=0.9).lines[0].text
    assert "measured are: coverage, r2" in rounds.advice(metric="accuracy").summary()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"predictions": "emb"}, "labels in 'size' are numbers, of which only the light head"),
        ({"balance": True}, "balance=True needs predicted classes"),
        ({"pool": "anchors"}, "labels are numbers, and this needs classes"),
        ({"method": "seek", "target_class": "a"}, "seek needs the probabilities of all classes"),
    ],
)
def test_what_needs_classes_is_refused(pool, ask, arguments, sentence):
    _measure(pool, pool[:9].values("id"))
    with pytest.raises(fc.CoresetError, match=sentence):
        ask(label_field="size", **arguments)


def test_tags_are_no_numbers(pool, ask):
    _measure(pool, pool[:9].values("id"))
    ask(label_field="size")
    with pytest.raises(fc.CoresetError, match="labels in 'size' are numbers, which no tag says"):
        fc.record_round(pool, labels_from_tags={"cat": "cat"})
