"""A first model from class names, and small pools around what has a label."""

from __future__ import annotations

import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone_coreset.plugin.rounds import texts
from fiftyone_coreset.plugin.rounds.anchors import anchor_pool
from labelling import label, truth
from scipy.special import softmax

CLASSES = ["a", "b", "c"]
_NEAR = 1 + 0.1 * np.eye(6, dtype=np.float32)[:3]  # texts lie near each other, as those of CLIP do
TEXT_OF = dict(zip(CLASSES, _NEAR / np.linalg.norm(_NEAR, axis=1, keepdims=True), strict=True))


@pytest.fixture
def towers(monkeypatch):
    """Text vectors that point where the pool's classes lie."""
    asked = []

    def embedded(rows, embeddings, labels, class_names=None):
        asked.append((list(labels), class_names))
        return {name: TEXT_OF[name] for name in labels}

    monkeypatch.setattr(texts, "class_texts", embedded)
    return asked


def by_texts(pool):
    Z = np.stack(pool.values("emb")).astype(float)
    Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    return softmax(100 * Z @ np.stack(list(TEXT_OF.values())).T, axis=1)


def margin(P):
    low, high = np.sort(P, axis=1)[:, -2:].T
    return 1 - (high - low)


def ranked(pool, P, k):
    free = [row for row, found in enumerate(pool.values("gt") if pool.has_field("gt") else [None] * 60) if not found]
    return [pool.values("id")[row] for row in sorted(free, key=lambda row: -margin(P)[row])[:k]]


def test_before_any_label_class_texts_say_what_is_uncertain(pool, ask, towers):
    arguments = {"predictions": "class texts", "classes": CLASSES}
    batch = ask(**arguments, method="margin", deduplicate=False, preview=True)
    assert batch.ids.tolist() == ranked(pool, by_texts(pool), 6)
    batch = ask(**arguments)
    assert (batch.results.last.method, batch.results.last.predictions) == ("uherding", "class texts")
    assert "Class texts of 3 classes count 100% in the predictions" in batch.why
    label(batch.view)
    label(fc.reserve_test(pool, 15))
    entry = fc.record_round(pool, predictions="class texts", classes=CLASSES)
    assert entry.metrics["accuracy"].n == 15


def test_labels_replace_the_texts_little_by_little(pool, ask, towers):
    known = pool[:9]
    label(known)
    batch = ask(predictions="class texts", classes=CLASSES, method="margin", deduplicate=False)
    shown = truth(pool)
    head = fc.fit_head(
        np.stack(pool.values("emb")), [shown[row] if n < 9 else None for n, row in enumerate(pool.values("id"))]
    )
    blended = 0.25 * by_texts(pool) + 0.75 * head.probabilities(np.stack(pool.values("emb")))
    assert batch.ids.tolist() == ranked(pool, blended, 6)
    assert batch.results.last.prediction_facts["text_share"] == 0.25, "three labels a class: 1 / (1 + 3)"


def test_classes_come_from_the_dataset_and_the_labels(pool, ask, towers):
    label(pool[1:2])
    pool.classes["gt"] = ["a", "c"]
    pool.save()
    assert ask(predictions="class texts", preview=True).results.last.classes == ["a", "c", "b"]
    ask(predictions="class texts", classes={"a": "apple", "c": "cherry"}, preview=True)
    assert towers[-1] == (["a", "c", "b"], {"a": "apple", "c": "cherry"})


def test_a_class_that_only_labels_know_is_predicted(pool, ask, towers):
    label(pool[:9])
    assert ask(predictions="class texts", classes=["a"], preview=True).results.last.classes == CLASSES


def test_without_names_or_a_text_tower_there_are_no_class_texts(pool, ask):
    with pytest.raises(fc.CoresetError, match="needs the names of at least two classes; give classes="):
        ask(predictions="class texts")
    with pytest.raises(
        fc.CoresetError, match="field 'emb' does not say which model made it, so there is no text tower"
    ):
        ask(predictions="class texts", classes=CLASSES)
    assert pool.list_brain_runs() == []


@pytest.fixture
def large():
    """3,000 images around the origin, 20 of a rare class far out, and three labels, one of the rare class."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(3000, 8))
    Z[:20] = 6 * np.eye(8)[0] + 0.3 * rng.normal(size=(20, 8))
    labels = [None] * 3000
    labels[0], labels[100], labels[200] = "rare", "common", "common"
    candidates = np.array([name is None for name in labels])
    return Z.astype(np.float32), labels, candidates


def test_the_pool_holds_what_is_nearest_to_the_anchors(large):
    Z, labels, candidates = large
    pool = anchor_pool(Z, labels, candidates, 10)
    assert pool.sum() == 1000
    assert not pool[~candidates].any()
    assert pool[1:20].all(), "the rare class is in it as a whole, of which it is 0.7 % of the images"
    unit = Z / np.linalg.norm(Z, axis=1, keepdims=True)
    similarity = unit @ unit[[0, 100, 200]].T
    each = -(-2000 // 3)
    found = np.zeros_like(similarity, dtype=bool)
    for column in range(3):
        found[np.argsort(-np.where(candidates, similarity[:, column], -2))[:each], column] = True
    mean = np.where(found.any(1), (similarity * found).sum(1) / np.maximum(found.sum(1), 1), -2)
    assert set(np.flatnonzero(pool)) == set(np.argsort(-mean)[:1000])


def test_small_pools_are_not_cut_and_anchors_change_by_round(large):
    Z, labels, candidates = large
    few = candidates.copy()
    few[900:] = False
    assert (anchor_pool(Z, labels, few, 10) == few).all()
    labels = [*labels[:1000], *["common"] * 50, *labels[1050:]]
    candidates = np.array([name is None for name in labels])
    first = anchor_pool(Z, labels, candidates, 10)
    assert (first == anchor_pool(Z, labels, candidates, 10)).all()
    assert (first != anchor_pool(Z, labels, candidates, 10, seed=1)).any()


def test_a_batch_comes_from_the_pool_of_the_anchors(dataset, large):
    import fiftyone as fo

    Z, labels, candidates = (values[:1500] for values in large)
    made = dataset([f"/nowhere/{row:04d}.png" for row in range(1500)])
    made.set_values("emb", list(Z))
    made.set_values("gt", [None if name is None else fo.Classification(label=name) for name in labels])
    batch = fc.next_batch(made, 10, label_field="gt", embeddings="emb", pool="anchors", progress=False)
    allowed = np.array(made.values("id"))[anchor_pool(Z, labels, candidates, 10)]
    assert batch.unlabelled == len(allowed) == 1000
    assert len(set(batch.ids)) == 10
    assert set(batch.ids) <= set(allowed)
    assert "497 far from the labelled images" in batch.why


def test_what_anchors_cannot_do(pool, ask):
    for arguments, sentence in (
        ({"pool": "anchors"}, "looks around labelled rows, and none has a label yet"),
        ({"pool": "anchors", "random_share": 0.1}, "random_share= is drawn from all images"),
        ({"pool": "nowhere"}, "pool must be 'all' or 'anchors', got 'nowhere'"),
    ):
        with pytest.raises(fc.CoresetError, match=sentence):
            ask(**arguments)
