"""What the App is told while long work runs, how it is stopped, and how it ends."""

from __future__ import annotations

import json

import fiftyone_coreset as fc
import pytest
from fiftyone.operators.executor import ExecutionContext, Executor
from fiftyone_coreset.operators import streaming
from fiftyone_coreset.operators.cancel_computation import CancelComputation
from fiftyone_coreset.operators.compute_coreset_scores import ComputeCoresetScores
from fiftyone_coreset.operators.compute_embeddings import ComputeEmbeddings
from fiftyone_coreset.plugin.errors import CoresetError


def context(dataset, **params):
    request = {"dataset_name": dataset.name, "params": params, "view": [], "operator_uri": "an operator of ours"}
    return ExecutionContext(request, Executor())


def told(operator, dataset, into, **params):
    """Adds to a list what the App is told, as it is told: pairs of an operator's name and its parameters."""
    for message in operator.execute(context(dataset, **params)):
        body = json.loads(message.to_json_line())["body"]
        into.append((body["operator_uri"], body["params"]))
        yield into[-1]


def bars(sent):
    shown = [params["results"]["progress"] for name, params in sent if name == "show_output" and params["results"]]
    return shown + [params["progress"] for name, params in sent if name == "set_progress"]


def outcome(sent):
    """The box that the dialog shows at the end."""
    (box,) = [p["outputs"]["type"]["properties"]["outcome"]["view"] for name, p in sent if p.get("results") == {}]
    return box["name"], box["label"], box["description"]


def button(params):
    return params.get("outputs", {}).get("type", {}).get("properties", {}).get("cancel", {}).get("view")


def view_label(params):
    return params["outputs"]["type"]["properties"]["progress"]["view"]["label"]


def test_progress_and_then_the_answer(embedded):
    sent = []
    list(told(ComputeCoresetScores(), embedded, sent, method="random", projection="none"))
    assert bars(sent) == sorted(bars(sent))
    assert bars(sent)[-1] == 1
    assert sent[-1][0] == "notify"
    assert sent[-1][1]["message"].startswith("Ranked 30 by random as run 'coreset'.")
    assert not streaming._running


def test_a_failure_is_told_in_the_forms_words(embedded):
    sent = []
    with pytest.raises(CoresetError, match="label field 'nope' does not exist"):
        list(told(ComputeCoresetScores(), embedded, sent, method="random", projection="none", label_field="nope"))
    assert sent[-1][1]["variant"] == "error"
    assert "label field 'nope' does not exist" in sent[-1][1]["message"]
    assert outcome(sent) == ("Error", "Could not finish", sent[-1][1]["message"])
    assert max(bars(sent)) < 1


def test_work_is_cancelled_by_its_button(embedded):
    """The button of the bar stops zcore, which would draw for minutes, and nothing is left of the run."""
    sent = []
    for _, params in told(
        ComputeCoresetScores(), embedded, sent, method="zcore", n_draws=100_000_000, projection="none"
    ):
        view = button(params)
        if view and "draws" in view_label(params):
            job = view["params"]
            answer = CancelComputation().execute(context(embedded, **job))
            assert answer == {"message": "The computation stops at its next step."}
    assert sent[-1] == (
        "notify",
        {"message": "Compute coreset scores was cancelled. Nothing was written.", "variant": "warning"},
    )
    assert outcome(sent)[:2] == ("Notice", "Cancelled")
    assert ("set_progress", "Stopping at the next step") in [(name, params.get("label")) for name, params in sent]
    embedded.reload()
    assert embedded.list_brain_runs() == []
    assert not embedded.has_field("coreset_rank")
    assert not streaming._running
    with pytest.raises(CoresetError, match="has ended already"):
        CancelComputation().execute(context(embedded, **job))


def test_cancelled_embedding_keeps_what_is_there(dataset, image_folder):
    made, sent = dataset(image_folder(n=12)), []
    for _, params in told(ComputeEmbeddings(), made, sent, model="coreset-mini", batch_size=1, num_workers=0):
        view = button(params)
        if view and view_label(params) == "2 of 12 images":
            CancelComputation().execute(context(made, **view["params"]))
    assert sent[-1][1]["message"].endswith("was cancelled. What was embedded is kept; execute it again to go on.")
    made.reload()
    kept = made.count("clip_embeddings")
    assert 2 <= kept < 12
    report = fc.compute_embeddings(made, model="coreset-mini", num_workers=0, progress=False)
    assert (report.n_present, report.n_embedded) == (kept, 12 - kept)
