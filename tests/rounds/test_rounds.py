"""The loop: ask for labels, record them, ask again."""

from __future__ import annotations

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone_coreset.plugin.dataset.predictions import read_predictions
from fiftyone_coreset.plugin.dataset.rows import Rows
from fiftyone_coreset.plugin.rounds.standing import read_standing
from fiftyone_coreset.plugin.selection.head import fit_head
from labelling import label, truth


def test_the_whole_loop(pool, ask):
    fc.reserve_test(pool, size=15)
    label(pool.match_tags("test"))
    first = ask()
    assert (len(first), first.labelled, first.unlabelled, first.classes) == (6, 0, 45, [])
    assert first.results.last.method == "kmedoids"
    assert set(first.view.values("id")) == set(first.ids)
    assert pool.load_saved_view("rounds round 1").values("id") == first.view.values("id")
    assert pool.has_field("rounds_round")
    label(first.view)
    recorded = fc.record_round(pool, "rounds", minutes=2.5)
    assert (recorded.n_returned, recorded.n_labels_after, recorded.minutes) == (6, 6, 2.5)
    assert recorded.labels_per_class == {name: list(map(truth(pool).get, first.ids)).count(name) for name in "abc"}

    second = ask()
    assert second.results.last.method == "uherding"
    assert (second.labelled, second.unlabelled, second.classes) == (6, 39, ["a", "b", "c"])
    assert not set(first.ids) & set(second.ids)
    assert not set(pool.match_tags("test").values("id")) & {*first.ids, *second.ids}
    in_order = sorted(second.view.iter_samples(), key=lambda sample: sample.rounds_order)
    assert [sample.id for sample in in_order] == second.ids.tolist()
    label(second.view)
    fc.record_round(pool, "rounds")

    rounds = fc.load_rounds(pool)
    assert rounds.curve().n_labels.tolist() == [6, 12]
    assert [row["accuracy"] for row in rounds.table()] == [1 - error for error in rounds.curve().errors]
    assert [line.topic for line in rounds.advice(target=0.9).lines[:3]] == ["gain", "target", "stability"]
    assert len(rounds.view(1)) == len(rounds.view(2)) == 6
    assert pool.count_values("rounds_outcome") == {"labelled": 12, None: 48}
    assert "Campaign 'rounds', labels in 'gt'" in str(rounds)


def test_the_metrics_are_those_of_the_head_on_the_test_images(pool, ask):
    fc.reserve_test(pool, size=15)
    label(pool.match_tags("test"))
    label(ask().view)
    entry = fc.record_round(pool)
    standing = read_standing(Rows(pool), "gt", "test", ())
    vectors = np.stack(pool.values("emb"))
    pairs = zip(pool.values("gt.label"), standing.labelled, strict=True)
    head = fit_head(vectors, [name if mine else None for name, mine in pairs])
    predicted = np.array(head.classes)[head.probabilities(vectors).argmax(axis=1)]
    shown = np.array(list(truth(pool).values()))
    right = (predicted == shown)[standing.test]
    assert entry.metrics["accuracy"].value == pytest.approx(right.mean())
    assert entry.metrics["accuracy"].source == "light head"
    per_class = [right[shown[standing.test] == name].mean() for name in sorted(set(shown[standing.test]))]
    assert entry.metrics["class_mean_accuracy"].value == pytest.approx(np.mean(per_class))
    confidence = head.probabilities(vectors, calibrated=True).max(axis=1)[~standing.has_label]
    assert entry.metrics["confidence"].value == pytest.approx(confidence.mean(), abs=1e-6)


def test_labels_there_before_are_round_0(pool, ask):
    known = pool[:9]
    label(known)
    batch = ask()
    assert pool.values("rounds_round")[:9] == [0] * 9
    assert batch.results.last.method == "uherding"
    assert fc.load_rounds(pool).view(0).values("id") == known.values("id")


def test_a_round_is_open_until_it_is_recorded(pool, ask):
    batch = ask()
    with pytest.raises(fc.CoresetError, match="round 1 of 'rounds' is open: 6 of its 6 images have no label in 'gt'"):
        ask()
    assert len(fc.load_rounds(pool)) == 1
    other = ask(force=True)  # two annotators
    assert not set(batch.ids) & set(other.ids)
    label(other.view)
    fc.record_round(pool)
    assert not set(ask().ids) & set(batch.ids)


def test_the_open_round_can_be_taken_back(pool, ask):
    batch = ask()
    rounds = fc.load_rounds(pool)
    rounds.cancel(1)
    assert len(rounds) == len(fc.load_rounds(pool)) == 0
    assert pool.count("rounds_round") == 0
    assert pool.list_saved_views() == []
    with pytest.raises(fc.CoresetError, match="'rounds' has no round to record"):
        fc.record_round(pool)
    again = ask()
    assert again.ids.tolist() == batch.ids.tolist()
    label(again.view)
    with pytest.raises(fc.CoresetError, match="'rounds' has changed since it was loaded"):
        rounds.cancel(1)
    fc.record_round(pool)
    with pytest.raises(fc.CoresetError, match="round 1 of 'rounds' cannot be taken back; open rounds: none"):
        fc.load_rounds(pool).cancel(1)


def test_skipped_and_off_topic_images_do_not_come_again(pool, ask):
    batch = ask()
    pool.select(batch.ids[:1]).tag_samples("skip")
    pool.select(batch.ids[1:2]).tag_samples("off_topic")
    label(pool.select(batch.ids[2:]))
    entry = fc.record_round(pool)
    assert (entry.n_returned, entry.n_skipped, entry.n_off_topic) == (4, 1, 1)
    assert pool.count_values("rounds_outcome") == {"labelled": 4, "skipped": 1, "off_topic": 1, None: 54}
    assert not set(ask().ids) & set(batch.ids)


def test_the_head_learns_what_is_off_topic(pool, ask):
    shown = truth(pool)
    c = [row_id for row_id, name in shown.items() if name == "c"]
    label(pool.select([row_id for row_id, name in shown.items() if name != "c"][:10]))
    asked_before = [shown[row_id] for row_id in ask(brain_key="before", budget=10).ids]
    pool.select(c[:4]).tag_samples("off_topic")
    batch = ask(budget=10)
    assert [shown[row_id] for row_id in batch.ids].count("c") < asked_before.count("c")
    assert batch.classes == ["a", "b"]
    uncertainty = dict(zip(pool.values("id"), pool.values("rounds_uncertainty"), strict=True))
    assert max(uncertainty[row_id] for row_id in c[4:]) < 0.5
    assert batch.results.last.classes == ["a", "b"]


def test_labels_from_tags(pool, ask):
    batch = ask()
    ids = batch.ids.tolist()
    pool.select(ids[:4]).tag_samples("looks like a")
    pool.select(ids[4:]).tag_samples("b")
    pool.select(ids[5:]).tag_samples("looks like a")
    tags = {"looks like a": "a", "b": "b"}
    with pytest.raises(fc.CoresetError, match=f"'{ids[5]}' carries tags of 'a' and 'b'; remove one of them"):
        fc.record_round(pool, labels_from_tags=tags)
    pool.select(ids[5:]).untag_samples("looks like a")
    fc.record_round(pool, labels_from_tags=tags)
    labels = dict(zip(pool.values("id"), pool.values("gt.label"), strict=True))
    assert [labels[row_id] for row_id in ids] == ["a"] * 4 + ["b"] * 2
    assert pool.count_sample_tags() == {"looks like a": 4, "b": 2}
    before = pool.values("gt.id")
    fc.record_round(pool, labels_from_tags=tags | {"b": "other"})  # labels that are there stay
    assert pool.values("gt.id") == before


@pytest.mark.parametrize("given", [{}, {"tag": 1}, "cat"])
def test_unusable_tags_are_refused(pool, ask, given):
    ask()
    with pytest.raises(fc.CoresetError, match="labels_from_tags must be a dict of tag to label"):
        fc.record_round(pool, labels_from_tags=given)


def test_labels_without_their_tags_are_refused(pool, ask):
    ask()
    with pytest.raises(fc.CoresetError, match="no images carry any of the tags 'cat'"):
        fc.record_round(pool, labels_from_tags={"cat": "cat"})


def test_metrics_of_the_users_own(pool, ask):
    import fiftyone as fo

    fc.reserve_test(pool, size=15)
    test = pool.match_tags("test")
    label(test)
    batch = ask()
    label(batch.view)
    wrong = test.first().id
    pool.set_values(
        "pred",
        [
            fo.Classification(label="?" if row_id == wrong else name, confidence=0.8)
            for row_id, name in truth(pool).items()
        ],
    )
    entry = fc.record_round(pool, predictions="pred", metrics={"mAP": 0.4, "recall": (0.5, 0.01)})
    assert entry.metrics["accuracy"].value == pytest.approx(14 / 15)
    assert entry.metrics["accuracy"].source == "pred"
    assert (entry.metrics["mAP"].value, entry.metrics["recall"].standard_error) == (0.4, 0.01)
    test.evaluate_classifications("pred", gt_field="gt", eval_key="eval")
    entry = fc.record_round(pool, eval_key="eval")
    assert entry.metrics["accuracy"].value == pytest.approx(14 / 15)
    assert (entry.metrics["accuracy"].source, entry.metrics["accuracy"].n) == ("eval", 15)
    label(ask().view)
    known = pool[wrong]
    known["pred"].label = truth(pool)[wrong]
    known.save()
    last = pool.match_tags("test").last()
    last["gt"] = None
    last.save()
    pool.match_tags("test").evaluate_classifications("pred", gt_field="gt", eval_key="eval")
    entry = fc.record_round(pool, eval_key="eval")
    assert (entry.metrics["accuracy"].value, entry.metrics["accuracy"].n) == (1.0, 14), "without a label none is judged"
    assert entry.change[0] == pytest.approx(1 / 14), "paired on the same images"
    pool.match_tags("test", bool=False).exists("gt").evaluate_classifications("pred", gt_field="gt", eval_key="chosen")
    with pytest.raises(fc.CoresetError, match="'chosen' has judged none of the 15 test images that has a label"):
        fc.record_round(pool, eval_key="chosen")
    assert fc.load_rounds(pool).curve().metric == "accuracy"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"metrics": {"accuracy": 83}}, r"metric 'accuracy' must be a number in \[0, 1\], got 83"),
        ({"metrics": {"accuracy": (0.8, 0)}}, "the standard error of metric 'accuracy'"),
        ({"metrics": [0.8]}, "metrics must be a dict"),
        ({"minutes": -1}, "minutes must be a number from 0, got -1"),
        ({"eval_key": "nowhere"}, r"has no evaluation 'nowhere' \(there are: none\)"),
        ({"predictions": "gt"}, "'gt' holds the labels, so it cannot hold the predictions too"),
    ],
)
def test_unusable_measurements_are_refused(pool, ask, arguments, sentence):
    label(ask().view)
    with pytest.raises(fc.CoresetError, match=sentence):
        fc.record_round(pool, **arguments)
    assert fc.load_rounds(pool).last.is_open


def test_vectors_that_are_in_no_field_are_asked_for_again(pool, ask):
    vectors = np.stack(pool.values("emb"))
    label(ask(embeddings=vectors).view)
    with pytest.raises(fc.CoresetError, match="chosen by vectors that are in no field: give embeddings= again"):
        fc.record_round(pool)
    assert list(fc.record_round(pool, embeddings=vectors).metrics) == ["confidence", "coverage"]
    assert list(fc.record_round(pool, metrics={"accuracy": 0.5}).metrics) == ["accuracy"]


def test_without_test_images_there_is_an_estimate_and_no_accuracy(pool, ask):
    batch = ask()
    assert "There are no test images, so accuracy can only be estimated; reserve_test()" in batch.why
    label(batch.view)
    entry = fc.record_round(pool)
    assert list(entry.metrics) == ["confidence", "coverage"]
    rounds = fc.load_rounds(pool)
    with pytest.raises(fc.CoresetError, match="has the metric 'accuracy'; measured are: confidence, coverage"):
        rounds.curve("accuracy")
    assert rounds.curve().metric == "confidence of the light head"
    assert rounds.curve().errors == pytest.approx([1 - entry.metrics["confidence"].value])
    assert "confidence" in str(rounds)
    assert "When 90% is reached is not known yet" in rounds.advice(target=0.9).summary()


def test_the_change_is_paired_on_the_test_images(pool, ask):
    fc.reserve_test(pool, size=15)
    label(pool.match_tags("test"))
    values = []
    for _ in range(2):
        label(ask(budget=3).view)
        values.append(fc.record_round(pool))
    change, error = values[1].change
    assert change == pytest.approx(values[1].metrics["accuracy"].value - values[0].metrics["accuracy"].value)
    assert 0 <= error < 0.2
    assert values[1].kappa is None  # the first round had no predictions
    assert -1 <= ask(force=True).results.last.kappa <= 1


def test_edited_and_deleted_labels_are_counted_and_the_curve_stays(pool, ask):
    batch = ask()
    label(batch.view)
    first = fc.record_round(pool)
    label(ask().view)
    sample = pool[batch.ids[0]]
    sample["gt"].label = "other"
    sample.save()
    sample = pool[batch.ids[1]]
    sample["gt"] = None
    sample.save()
    entry = fc.record_round(pool)
    assert entry.n_changed == 2
    assert fc.load_rounds(pool).history[0] == first


def test_deleted_images_are_counted(pool, ask):
    batch = ask()
    label(batch.view)
    pool.delete_samples(batch.ids[:2].tolist())
    rounds = fc.load_rounds(pool)
    assert rounds.table()[0]["left"] == 4
    assert fc.record_round(pool).n_deleted == 2
    assert len(ask()) == 6


def test_new_images_join_the_campaign(pool, ask):
    import fiftyone as fo

    label(ask().view)
    fc.record_round(pool)
    old = set(pool.values("id"))
    pool.add_samples([fo.Sample(filepath=f"/new/{row}.png", emb=np.full(6, 1.0 + row)) for row in range(4)])
    batch = ask(budget=100)
    assert len(batch) == 58
    assert len(batch.results.ids) == 64
    label(pool.select([row_id for row_id in batch.ids if row_id in old]))
    assert fc.record_round(pool).n_returned == 54


def test_a_view_and_its_objects(dataset):
    import fiftyone as fo

    made = dataset([f"/nowhere/{row}.png" for row in range(12)])
    rng = np.random.default_rng(0)
    made.set_values(
        "boxes",
        [
            fo.Detections(
                detections=[fo.Detection(bounding_box=[0, 0, 1, 1], emb=rng.normal(size=4).tolist()) for _ in range(2)]
            )
            for _ in range(12)
        ],
    )
    made.add_dynamic_sample_fields()
    objects = made.to_patches("boxes")
    batch = fc.next_batch(objects, 5, label_field="label", embeddings="emb", progress=False)
    assert len(batch.view) == 5
    assert set(batch.view.values("id")) == set(batch.ids)
    assert made.has_field("boxes.detections.rounds_round")
    labels = {row_id: "ab"[place % 2] for place, row_id in enumerate(batch.ids)}
    made.set_label_values("boxes.detections.label", labels)
    assert fc.record_round(made).n_returned == 5
    assert (
        "5 labels in 2 classes"
        in fc.next_batch(made.to_patches("boxes"), 3, label_field="label", embeddings="emb", progress=False).why
    )


def test_what_the_head_predicts_can_be_stored(pool, ask):
    label(pool[:9])
    batch = ask(store_predictions=True)
    found = read_predictions(Rows(pool), "rounds_prediction")
    assert found.form == "log-probabilities"
    head = fit_head(np.stack(pool.values("emb")), pool.values("gt.label"))
    expected = head.probabilities(np.stack(pool.values("emb")), calibrated=True)
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
    np.testing.assert_allclose(pool.values("rounds_prediction.confidence"), expected.max(axis=1), atol=1e-5)
    label(batch.view)
    pool.rename_brain_run("rounds", "pets")
    assert pool.count("pets_prediction") == 60
    fc.record_round(pool, "pets", predictions="pets_prediction")
    assert ask(brain_key="pets").number == 2
    pool.delete_brain_run("pets")
    assert not [name for name in pool.get_field_schema() if name.startswith(("pets_", "rounds_"))]


def test_an_image_that_comes_meanwhile_moves_no_label(pool, ask, monkeypatch):
    """It is the first of the view from then on; tags, labels and embeddings are those of the images before."""
    label(ask().view)
    fc.record_round(pool)
    pool.limit(9).tag_samples("test")
    view, read = pool.sort_by("filepath"), Rows.ids

    def ids(rows):
        found = list(read(rows))
        if pool.count("id") == 60:
            pool.add_sample(fo.Sample(filepath="/aaa.png", tags=["test"], emb=[0.0] * 6))
        return found

    monkeypatch.setattr(Rows, "ids", ids)
    standing = read_standing(Rows(view), "gt", "test", ())
    assert len(view) == 61
    by_id = dict(zip(pool.values("id"), pool.values("gt.label"), strict=True))
    assert len(standing) == 60
    assert standing.labels == [by_id[row_id] for row_id in standing.ids]
    assert set(standing.ids[standing.test]) == set(pool.limit(9).values("id"))
