"""What the App is told while long work runs, and how it ends."""

from __future__ import annotations

import json

import pytest
from fiftyone.operators.executor import ExecutionContext, Executor
from fiftyone_coreset.operators.compute_coreset_scores import ComputeCoresetScores
from fiftyone_coreset.plugin.errors import CoresetError


def told(dataset, into, **params):
    """Adds to a list what the App is told: pairs of an operator's name and its parameters."""
    operator = ComputeCoresetScores()
    request = {"dataset_name": dataset.name, "params": params, "view": [], "operator_uri": "compute_coreset_scores"}
    for message in operator.execute(ExecutionContext(request, Executor())):
        body = json.loads(message.to_json_line())["body"]
        into.append((body["operator_uri"], body["params"]))


def test_progress_and_then_the_answer(embedded):
    sent = []
    told(embedded, sent, method="random", projection="none")
    bars = [params["progress"] for name, params in sent if name == "set_progress"]
    assert bars == sorted(bars)
    assert bars[-1] == 1
    assert sent[-1][0] == "notify"
    assert sent[-1][1]["message"].startswith("Ranked 30 by random as run 'coreset'.")


def test_a_failure_is_told_in_the_forms_words(embedded):
    sent = []
    with pytest.raises(CoresetError, match="label field 'nope' does not exist"):
        told(embedded, sent, method="random", projection="none", label_field="nope")
    assert sent[-1][1]["variant"] == "error"
    assert "label field 'nope' does not exist" in sent[-1][1]["message"]
    assert [params["progress"] for name, params in sent if name == "set_progress"][-1] < 1
