"""Rounds for detectors: labels are boxes, and a detector's scores say what it is unsure of. Experimental."""

from __future__ import annotations

import math
from collections import Counter

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone_coreset.plugin.dataset.boxes import box_uncertainty, class_weights
from fiftyone_coreset.plugin.rounds.batch import preview_next
from hypothesis import given
from hypothesis import strategies as st

N = 60


def entropy(p):
    return -sum(share * math.log2(share) for share in (p, 1 - p) if share > 0)


@given(st.lists(st.floats(0, 1), max_size=9))
def test_the_uncertainty_of_an_image_is_that_of_its_boxes(scores):
    entropies = sorted(map(entropy, scores), reverse=True)
    found = {name: value[0] for name, value in box_uncertainty([scores]).items()}
    assert found == pytest.approx({
        "top5": sum(entropies[:5]) / 5,
        "max": max(entropies, default=0),
        "mean": sum(entropies) / max(1, len(entropies)),
        "sum": sum(entropies),
    }, abs=1e-9)  # fmt: skip
    assert box_uncertainty([scores[::-1]]) == pytest.approx(found, abs=1e-9)


def boxes(scores, label="car"):
    return fo.Detections(
        detections=[fo.Detection(label=label, bounding_box=[0, 0, 0.5, 0.5], confidence=score) for score in scores]
    )


@pytest.fixture
def detected(pool):
    """The pool with a detector's boxes in "pred": image i has i // 10 of them; and their scores."""
    rng = np.random.default_rng(0)
    scores = [rng.uniform(0.1, 0.9, row // 10).tolist() for row in range(N)]
    pool.set_values("pred", [boxes(found) for found in scores])
    return pool, dict(zip(pool.values("id"), scores, strict=True))


def draw(samples, field="gt", n=2):
    """What a person does: two boxes in every image."""
    drawn = {row_id: boxes([None] * n) for row_id in samples.values("id")}
    samples._root_dataset.set_values(field, drawn, key_field="id")


@pytest.mark.parametrize("measure", [None, "top5", "max", "mean", "sum"])
def test_the_most_uncertain_images_are_asked_for(detected, ask, measure):
    _, scores = detected
    batch = ask(predictions="pred", method="margin", measure=measure, budget=10, deduplicate=False)
    wanted = {row: box_uncertainty([found])[measure or "top5"][0] for row, found in scores.items()}
    *seen, blind = batch.ids.tolist()
    assert seen == sorted(wanted, key=lambda row: -wanted[row])[:9]
    assert scores[blind] == [], "a tenth of the batch is of images in which the detector finds nothing"
    assert "The last 1 are of those in which 'pred' finds nothing" in batch.why
    assert "rounds for detectors are experimental" in batch.why


def test_uherding_takes_the_uncertainty_of_boxes(detected, ask):
    pool, scores = detected
    batch = ask(predictions="pred", budget=10)
    assert batch.results.last.method == "uherding"
    assert sum(not scores[row] for row in batch.ids) == 1
    stored = dict(zip(pool.values("id"), pool.values("rounds_uncertainty"), strict=True))
    assert stored == pytest.approx(
        {row: box_uncertainty([found])["top5"][0] for row, found in scores.items()}, abs=1e-6
    )


@pytest.mark.parametrize(("share", "count"), [(0, 0), (0.34, 3), (0.99, 9)])
def test_the_share_of_images_without_a_box_is_asked_for(detected, ask, share, count):
    _, scores = detected
    batch = ask(predictions="pred", budget=10, blind=share, deduplicate=False, method="margin")
    assert [scores[row] == [] for row in batch.ids] == [False] * (10 - count) + [True] * count
    entry = fc.load_rounds(detected[0]).last
    assert (entry.blind, entry.n_blind) == (share, count)
    draw(batch.view)
    fc.record_round(detected[0], metrics={"mAP": 0.3})
    after = preview_next(fc.load_rounds(detected[0])).results.last
    assert (after.blind, after.n_blind) == (share, min(count, 10 - count)), "the next one has the share too"


def test_the_share_of_images_without_a_box_is_one_of_what_may_be_spent(detected, ask):
    _, scores = detected
    cost = np.full(N, 0.25)
    batch = ask(predictions="pred", budget=0.9, blind=0.6, cost=cost, method="margin", deduplicate=False)
    assert [scores[row] == [] for row in batch.ids] == [False, True, True], "0.54 of 0.9 buy two, and one is left"
    for share in (1, -0.1, True, "0.1"):
        with pytest.raises(fc.CoresetError, match=r"blind must be a share in \[0, 1\) of the batch"):
            ask(predictions="pred", blind=share, preview=True)


@pytest.mark.parametrize("method", [None, "margin", "kmedoids"])
def test_a_budget_of_boxes_is_kept_and_used(detected, ask, method):
    _, scores = detected
    batch = ask(predictions="pred", method=method, budget=20, cost="boxes")
    expected = {row: max(1, sum(found)) for row, found in scores.items()}
    spent = sum(expected[row] for row in batch.ids)
    assert 20 - np.median(list(expected.values())) < spent <= 20
    assert batch.results.last.spent == pytest.approx(spent)
    assert len(set(batch.ids)) == len(batch)
    assert "of 20 by 'boxes of pred'" in batch.why


def test_a_round_of_boxes(detected, ask):
    pool, _ = detected
    batch = ask(predictions="pred")
    draw(pool.select(batch.ids[:5].tolist()))
    pool.set_values("gt", {str(batch.ids[-1]): fo.Detections(detections=[])}, key_field="id")
    draw(fc.reserve_test(pool, 9))
    entry = fc.record_round(pool, metrics={"mAP": 0.4})
    assert (entry.n_returned, entry.n_labels_after) == (6, 6), "an empty list is a label: somebody looked"
    assert entry.labels_per_class == dict(Counter({"car": 10}))
    assert entry.metrics["mAP"].value == 0.4
    assert "accuracy" not in fc.record_round(pool, predictions="pred").metrics, "boxes are not compared as classes"
    again = ask(predictions="pred")
    assert not set(batch.ids) & set(again.ids)
    assert "6 images with boxes in 1 classes were there before" in again.why
    by_coverage = ask(force=True, brain_key="other")
    assert "light head learns nothing, so the batch is chosen by embeddings alone" in by_coverage.why
    draw(pool.select(str(batch.ids[0])), n=3)
    assert fc.record_round(pool, number=1).n_changed == 1


def test_an_evaluation_of_boxes_is_read(detected, ask):
    pool, _ = detected
    draw(ask(predictions="pred").view)
    draw(fc.reserve_test(pool, 9))
    test = pool.match_tags("test")
    found = test.evaluate_detections("pred", gt_field="gt", eval_key="eval", compute_mAP=True)
    entry = fc.record_round(pool, eval_key="eval")
    assert entry.metrics["mAP"].value == pytest.approx(found.mAP())
    assert fc.load_rounds(pool).curve().n_labels.tolist() == [6], "of boxes the mAP is meant"


def _without_scores(pool):
    pool.set_values("pred", [boxes([None]) for _ in range(N)])


def _half_predicted(pool):
    pool.set_values("pred", [boxes([0.5]) if row < 20 else None for row in range(N)])


REFUSED = [
    (_without_scores, {}, "60 boxes in field 'pred' have no confidence from 0 to 1"),
    (_half_predicted, {}, "'pred' is missing in 40 of 60 images, over half"),
    (None, {"balance": True}, "balance=True needs predicted classes, and these predictions have none"),
    (None, {"method": "badge"}, "needs the probabilities of all classes"),
    (None, {"label_field": "pred"}, "'pred' holds the labels, so it cannot hold the predictions too"),
    (None, {"cost": "boxes", "predictions": "head"}, "cost='boxes' counts the boxes that a detector expects"),
    (None, {"method": "affinity", "label_field": "drawn"}, "labels are boxes, several an image"),
]  # fmt: skip


def test_what_cannot_be_used_is_refused(detected, ask):
    pool, _ = detected
    draw(pool[:20], "drawn")
    stored = pool.values("pred")
    for prepare, arguments, sentence in REFUSED:
        if prepare is not None:
            prepare(pool)
        with pytest.raises(fc.CoresetError, match=sentence):
            ask(**{"predictions": "pred"} | arguments)
        pool.set_values("pred", stored)
    assert pool.list_brain_runs() == []


def test_classes_weigh_by_how_badly_they_are_found():
    """The formula of PPAL, literally: from 1 for a class that is found with certainty to 1.2, over 1.2."""
    weights = class_weights(["a", "a", "a", "b", "c"], [1.0, 0.5, 0.9, 1.0, 0.7], [0.8, 0.6, np.nan, 1.0, np.nan])
    quality = (1.0 * 0.8**0.4 + 0.5**0.6 * 0.6**0.4) / 2
    expected = 1 + 0.3 * 0.2 * math.log((math.exp(1 / 0.3) - 1) * (1 - quality) + 1)
    assert weights == pytest.approx({"a": expected / 1.2, "b": 1 / 1.2, "c": 1.0})


def test_an_evaluation_moves_classes_that_are_found_badly_forward(pool, ask):
    """Of "good" every box is found, of "bad" none; all scores are equal, so the classes alone tell images apart."""
    names = ["good" if row % 2 else "bad" for row in range(N)]
    pool.set_values("pred", [boxes([0.5], name) for name in names])
    labelled = pool[:20]
    drawn = [boxes([None], name) if name == "good" else boxes([]) for name in names[:20]]
    labelled.set_values("gt", drawn)
    labelled.evaluate_detections("pred", gt_field="gt", eval_key="ev", progress=False)
    batch = ask(predictions="pred", eval_key="ev", method="margin", budget=20, label_field="gt", deduplicate=False)
    assert set(pool.select(batch.ids.tolist()).values("pred.detections.label", unwind=True)) == {"bad"}
    assert "Classes weigh by how well evaluation 'ev' found them: bad 1.00, good 0.95" in batch.why


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"eval_key": "none"}, "has no evaluation 'none' \\(there are: none\\)"),
        ({"predictions": "head", "eval_key": "ev"}, "eval_key= weighs the classes of a detector"),
        ({"predictions": "head", "box_embeddings": "vector"}, "box_embeddings= compares the boxes of a detector"),
        ({"box_embeddings": "vector"}, "boxes in 'pred' have no field 'vector'; compute_embeddings"),
    ],
)
def test_evaluations_that_cannot_be_used_are_refused(detected, ask, arguments, sentence):
    with pytest.raises(fc.CoresetError, match=sentence):
        ask(**{"predictions": "pred", "budget": 5, **arguments})


def _with_vectors(pool, missing=False):
    """Two boxes of equal score an image, whose vectors point in one of four directions, by the image's number."""
    directions = np.eye(4, dtype=np.float32)
    found = []
    for row in range(N):
        found.append(boxes([0.5 - row / 1_000] * 2))
        for box in found[-1].detections:
            box["vector"] = None if missing and row == 3 else directions[row % 4]
    pool.set_values("pred", found)
    pool.add_dynamic_sample_fields()


def test_boxes_that_differ_make_the_batch(pool, ask):
    """Of the 16 most uncertain images, whose boxes point in four directions, one of each direction is asked for."""
    _with_vectors(pool)
    batch = ask(predictions="pred", box_embeddings="vector", budget=4, deduplicate=False)
    place = {row_id: row for row, row_id in enumerate(pool.values("id"))}
    rows = [place[row_id] for row_id in batch.ids]
    assert sorted(row % 4 for row in rows) == [0, 1, 2, 3]
    assert max(rows) < 16
    entry = batch.results.last
    assert (entry.method, entry.prediction_facts) == ("margin", {"form": "boxes", "box_embeddings": "vector"})
    assert "Of the most uncertain they are those whose boxes stand for the others' by 'vector'" in batch.why
    paid = ask(predictions="pred", box_embeddings="vector", budget=6, cost="boxes", force=True, deduplicate=False)
    assert paid.results.last.spent <= 6
    assert len(paid) == 6


def test_boxes_without_embedding_are_counted(pool, ask):
    _with_vectors(pool, missing=True)
    with pytest.raises(fc.CoresetError, match="2 of 32 boxes in 'pred' have no embedding in 'vector'"):
        ask(predictions="pred", box_embeddings="vector", budget=4, deduplicate=False)


def test_maps_of_uncertainty_rank_by_their_mean(pool, ask, tmp_path):
    """Stored as shares, as whole numbers of 255 and in files; an image without a map comes last."""
    rng = np.random.default_rng(0)
    means = rng.permutation(N) / N
    maps = []
    for row, mean in enumerate(means):
        pixels = np.full((4, 6), mean) + np.tile([-0.001, 0.001], 12).reshape(4, 6) * (row % 3 == 0)
        if row % 3 == 2:
            path = tmp_path / f"{row}.png"
            fo.Heatmap(map=pixels.astype(np.float32), range=[0, 1]).export_map(str(path))
            maps.append(fo.Heatmap(map_path=str(path)))
        else:
            maps.append(fo.Heatmap(map=pixels if row % 3 == 0 else np.round(pixels * 255).astype(np.uint8)))
    maps[int(np.argmax(means))] = None
    pool.set_values("doubt", maps)
    batch = ask(method="by_field", score="doubt", budget=10, deduplicate=False)
    ids = np.array(pool.values("id"))
    assert batch.ids.tolist() == ids[np.argsort(-means)[1:11]].tolist()
    maps[0] = fo.Heatmap(map_path=str(tmp_path / "gone.png"))
    pool.set_values("doubt", maps)
    with pytest.raises(fc.CoresetError, match=r"field 'doubt': the map .*gone.png cannot be read"):
        ask(method="by_field", score="doubt", budget=10, force=True)
