"""The panel's events about labelling rounds, on a pool whose labels and rounds are known."""

import base64
import re
from types import SimpleNamespace

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone.operators.executor import ExecutionContext, Executor
from fiftyone_coreset.panels.coreset import CoresetPanel
from fiftyone_coreset.panels.runs import find_run
from fiftyone_coreset.plugin.rounds import weak_spots

N = 60
NAMES = ("cat", "dog", "owl")


@pytest.fixture(scope="module")
def campaign(mongod):
    """60 images of three classes, 12 of them test images, with a run "cs" and two recorded rounds of 6; to look at."""
    rng = np.random.default_rng(0)
    made = fo.Dataset()
    made.add_samples([fo.Sample(filepath=f"/nowhere/{row:02d}.png") for row in range(N)], progress=False)
    vectors = 2 * np.eye(6)[np.arange(N) % 3] + rng.normal(scale=0.4, size=(N, 6))
    made.set_values("emb", list(vectors.astype(np.float32)))
    label(made, fc.reserve_test(made, size=12))
    for _ in range(2):
        label(made, ask(made).view)
        fc.record_round(made, progress=False)
    fc.compute_coreset(made, "emb", "cs", method="random", projection="pca", progress=False)
    yield made
    made.delete()


@pytest.fixture
def copy(campaign):
    """The same, to change."""
    made = campaign.clone()
    yield made
    made.delete()


def ask(made):
    return fc.next_batch(made, budget=6, label_field="gt", embeddings="emb", progress=False)


def label(made, view):
    place = {row_id: n for n, row_id in enumerate(made.values("id"))}
    labels = {row_id: fo.Classification(label=NAMES[place[row_id] % 3]) for row_id in view.values("id")}
    made.set_values("gt", labels, key_field="id")


def send(made, event, key="rounds", **params):
    ctx = ExecutionContext({"dataset_name": made.name, "params": {"key": key, **params}, "view": []}, Executor())
    ctx._panel = SimpleNamespace(get_state=lambda name: None)
    answer = getattr(CoresetPanel(), event)(ctx)
    triggered = {call.operator_uri.rsplit("/", 1)[-1]: call.params for call in ctx.executor._requests}
    return answer, triggered


def codes(made, what):
    answer, _ = send(made, "load_coloring", "cs", channel=f"rounds:rounds:{what}", k=0)
    return np.frombuffer(base64.b64decode(answer["codes"]), dtype=np.uint8), answer["legend"]


def test_timeline_says_what_became_of_every_round(campaign):
    listed, _ = send(campaign, "load_runs")
    (summary,) = listed["campaigns"]
    answer, _ = send(campaign, "load_campaign")
    assert answer["version"] == summary["version"]
    assert [(entry["number"], entry["labelled"], entry["size"], entry["open"]) for entry in answer["rounds"]] == [
        (1, 6, 6, False),
        (2, 6, 6, False),
    ]
    assert [entry["method"] for entry in answer["rounds"]] == ["kmedoids", "uherding"]
    assert [entry["labels"] for entry in answer["rounds"]] == [6, 12]
    assert answer["rounds"][0]["change"] is None
    assert len(answer["rounds"][1]["change"]) == 2
    assert [metric["id"] for metric in answer["metrics"]] == [
        "accuracy",
        "class_mean_accuracy",
        "confidence",
        "coverage",
    ]
    assert answer["rounds"][1]["coverage"] == fc.load_rounds(campaign).last.metrics["coverage"].value


def test_an_open_round_counts_the_labels_so_far(copy):
    batch = ask(copy)
    label(copy, batch.view.limit(2))
    batch.view.skip(2).limit(1).tag_samples("skip")
    batch.view.skip(3).limit(1).tag_samples("off_topic")
    answer, _ = send(copy, "load_campaign")
    last = answer["rounds"][-1]
    assert (last["open"], last["labelled"], last["skipped"], last["offTopic"]) == (True, 2, 1, 1)


def test_map_is_coloured_by_round(campaign):
    found, legend = codes(campaign, "round")
    asked = dict(zip(campaign.values("id"), campaign.values("rounds_round"), strict=True))
    run = find_run(campaign, "cs")
    wanted = [{1: 0, 2: 1, None: 255}[asked[row_id]] for row_id in run.ids.tolist()]
    assert found.tolist() == wanted
    assert (legend["labels"], legend["counts"]) == (["round 1", "round 2"], [6, 6])
    assert (legend["missing"], legend["missingLabel"]) == (48, "not asked for")


def test_map_is_coloured_by_what_rounds_know(campaign):
    run = find_run(campaign, "cs")
    by_id = dict(zip(campaign.values("id"), campaign.values("rounds_uncertainty"), strict=True))
    known = np.array([by_id[row_id] is not None for row_id in run.ids.tolist()])
    assert ((codes(campaign, "uncertainty")[0] < 255) == known).all()
    test = set(campaign.match_tags("test").values("id"))
    assert {row_id for row_id, code in zip(run.ids, codes(campaign, "test")[0], strict=True) if code < 255} == test
    assert set(codes(campaign, "predicted")[1]["labels"]) <= set(NAMES)
    assert codes(campaign, "outcome")[1]["counts"] == [12, 0, 0]
    answer, _ = send(campaign, "load_coloring", "cs", channel="rounds:rounds:changed", k=0)
    assert "two rounds with predictions" in answer["error"], "the first was chosen by embeddings alone"


def test_map_shows_what_stays_uncertain(copy):
    """Two models whose confidences are known: the images that both are least sure of have the highest colours."""
    ids, shares = copy.values("id"), np.random.default_rng(1).uniform(0.4, 0.9, (2, N))
    for confidence in shares:
        copy.set_values("pred", [fo.Classification(label="cat", confidence=share) for share in confidence])
        batch = fc.next_batch(copy, 6, label_field="gt", embeddings="emb", predictions="pred", progress=False)
        label(copy, batch.view)
        fc.record_round(copy, predictions="pred", progress=False)
    found, legend = codes(copy, "persistent")
    assert (legend["kind"], legend["missing"]) == ("ordered", 0)
    doubt = dict(zip(ids, 1 - shares.max(axis=0), strict=True))
    run = find_run(copy, "cs")
    order = np.argsort([doubt[row_id] for row_id in run.ids.tolist()])
    assert (np.diff(found[order].astype(int)) >= 0).all(), "the less sure, the higher"
    assert len(set(found.tolist())) > N / 2
    hard = fc.persistent_view(copy, n=5).values("id")
    free = set(copy.exists("gt", False).values("id"))
    assert set(hard) == set(sorted(free, key=doubt.get)[-5:])
    code_of = dict(zip(run.ids.tolist(), found.tolist(), strict=True))
    assert min(code_of[row_id] for row_id in hard) >= max(code_of[row_id] for row_id in free - set(hard))


def test_what_stays_uncertain_takes_two_rounds_with_predictions(campaign):
    answer, _ = send(campaign, "load_coloring", "cs", channel="rounds:rounds:persistent", k=0)
    assert answer["error"] == "what stays uncertain is known after two rounds of 'rounds' with predictions"


def test_map_shows_where_the_next_batch_would_fall(copy):
    found, legend = codes(copy, "next")
    assert legend["counts"] == [6]
    shown = find_run(copy, "cs").ids[found == 0]
    assert set(shown) == set(ask(copy).ids)


def test_an_estimate_is_no_score_of_a_round(copy):
    copy.untag_samples("test")
    label(copy, fc.next_batch(copy, 6, "untested", label_field="gt", embeddings="emb", progress=False).view)
    fc.record_round(copy, "untested", progress=False)
    answer, _ = send(copy, "load_campaign", "untested")
    assert answer["rounds"][0]["accuracy"] is None
    assert answer["metrics"][0] == {"id": "confidence", "label": "confidence (an estimate)"}
    curve, _ = send(copy, "load_learning_curve", "untested", metric="confidence", target=0.9)
    assert [point["n"] for point in curve["points"]] == [answer["rounds"][0]["labels"]]


def test_random_labels_have_points_of_their_own(copy):
    for _ in range(2):
        batch = fc.next_batch(copy, 6, label_field="gt", embeddings="emb", random_share=0.5, progress=False)
        label(copy, batch.view)
        fc.record_round(copy, progress=False)
    answer, _ = send(copy, "load_learning_curve", metric="accuracy")
    assert [point["n"] for point in answer["random"]] == [3, 6]


def test_more_rounds_than_colours_are_ordered(copy):
    for _ in range(6):
        label(copy, ask(copy).view)
        fc.record_round(copy, progress=False)
    found, legend = codes(copy, "round")
    assert (legend["kind"], legend["low"], legend["high"]) == ("ordered", "1", "8")
    assert (found == 255).sum() == N - 8 * 6
    assert sum(codes(copy, "changed")[1]["counts"]) == N


def test_curve_and_advice(campaign):
    answer, _ = send(campaign, "load_learning_curve", metric="accuracy", target=0.9)
    assert [point["n"] for point in answer["points"]] == [6, 12]
    rounds = fc.load_rounds(campaign)
    assert [point["value"] for point in answer["points"]] == [
        entry.metrics["accuracy"].value for entry in rounds.history
    ]
    assert answer["line"] is None
    assert [line["text"] for line in answer["advice"]] == [line.text for line in rounds.advice(0.9).lines]
    assert all(line["evidence"] for line in answer["advice"])
    missing, _ = send(campaign, "load_learning_curve", metric="mAP")
    assert "has the metric 'mAP'" in missing["note"]
    refused, _ = send(campaign, "load_learning_curve", metric="accuracy", target=1.5)
    assert "'target' must be less than 1" in refused["error"]


def test_curve_is_continued_with_a_band(copy):
    for value in (0.6, 0.7, 0.78, 0.8):
        label(copy, ask(copy).view)
        fc.record_round(copy, metrics={"mAP": (value, 0.02)}, progress=False)
    answer, _ = send(copy, "load_learning_curve", metric="mAP")
    line = answer["line"]
    assert line["n"][-1] == 2 * answer["points"][-1]["n"]
    assert all(low <= value <= high for low, value, high in zip(line["low"], line["value"], line["high"], strict=True))


def test_weak_spots_open_the_images_without_label(campaign):
    answer, _ = send(campaign, "load_weak_spots")
    assert 0 < len(answer["spots"]) <= 10
    spot = answer["spots"][0]
    assert not spot["notLearned"]
    done, triggered = send(campaign, "show_weak_spot", version=answer["version"], place=0)
    assert done["shown"] == spot["n"]
    view = fo.DatasetView._build(campaign, triggered["set_view"]["view"])
    assert view.values("gt") == [None] * spot["n"]
    unsure = view.values("rounds_uncertainty")
    assert unsure == sorted(unsure, reverse=True)
    refused, _ = send(campaign, "show_weak_spot", version="other", place=0)
    assert "have changed meanwhile" in refused["error"]
    refused, _ = send(campaign, "show_weak_spot", version=answer["version"], place=999)
    assert refused["error"] == "There is no weak spot 999."


def test_weak_spots_say_what_labels_have_not_taught(campaign, monkeypatch):
    monkeypatch.setattr(weak_spots, "_not_learned", lambda standing, found, clusters, *_: set(clusters.tolist()))
    assert all(spot["notLearned"] for spot in send(campaign, "load_weak_spots")[0]["spots"])


def test_what_is_not_learned_is_left_out_and_brought_back(copy):
    found, _ = send(copy, "load_weak_spots")
    assert found["tags"] == ["skip", "off_topic"]
    spot = {"version": found["version"], "place": 0}
    n = found["spots"][0]["n"]
    shown = fo.DatasetView._build(copy, send(copy, "show_weak_spot", **spot)[1]["set_view"]["view"]).values("id")
    copy.select(shown[0]).tag_samples("off_topic")
    done, triggered = send(copy, "leave_out_spot", tag="off_topic", **spot)
    assert done == {"tagged": n - 1}, "one had the tag"
    assert "reload_samples" in triggered
    assert set(copy.match_tags("off_topic").values("id")) == set(shown)
    batch = fc.next_batch(copy, N, label_field="gt", embeddings="emb", preview=True, progress=False)
    assert not set(batch.ids) & set(shown)
    assert f"{n} tagged to skip" in batch.why
    done, _ = send(copy, "bring_back_spot", **spot)
    assert done == {"tagged": n - 1}
    assert copy.match_tags("off_topic").values("id") == [shown[0]], "who had it keeps it"
    for event, params, sentence in (
        ("bring_back_spot", {}, "Weak spot 0 was not left out."),
        (
            "leave_out_spot",
            {"tag": "dull"},
            "the tag 'dull' leaves nothing out of these rounds; .* 'skip', 'off_topic'",
        ),
        ("leave_out_spot", {"tag": "skip", "place": 99}, "there is no weak spot 99"),
        ("leave_out_spot", {"tag": "skip", "version": "old"}, "have changed meanwhile"),
    ):
        assert re.search(sentence, send(copy, event, **spot | params)[0]["error"])


def test_rounds_are_opened_and_carried_on(campaign):
    done, triggered = send(campaign, "show_round", number=2)
    assert done["shown"] == 6
    view = fo.DatasetView._build(campaign, triggered["set_view"]["view"])
    assert set(view.values("rounds_round")) == {2}
    assert "has no round 9" in send(campaign, "show_round", number=9)[0]["error"]
    _, triggered = send(campaign, "select_batch")
    (prompt,) = triggered.values()
    assert prompt["params"] == {
        "brain_key": "rounds",
        "label_field": "gt",
        "embeddings": ["emb"],
        "predictions": "head",
        "test": "test",
        "skip": "skip, off_topic",
    }
    assert "no labelling rounds 'cs'" in send(campaign, "record_batch", "cs", number=1)[0]["error"]


def boxes():
    return fo.Detections(detections=[fo.Detection(bounding_box=[0, 0, 1, 1])])


def test_a_campaign_of_other_rows_does_not_colour_the_map(copy):
    copy.set_values("boxes", [boxes() for _ in range(N)])
    objects = copy.to_patches("boxes")
    rng = np.random.default_rng(1)
    copy.set_values("boxes.detections.emb", [[row] for row in rng.normal(size=(N, 4)).astype(np.float32)])
    fc.compute_coreset(objects, "emb", "parts", method="random", projection="pca", progress=False)
    answer, _ = send(copy, "load_coloring", "parts", channel="rounds:rounds:round", k=0)
    assert answer["error"] == "'rounds' asks for labels of images, and the map shows objects."
