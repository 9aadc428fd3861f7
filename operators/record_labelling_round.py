"""Operator: record what came back of a labelling round."""

from __future__ import annotations

from typing import Any, Literal

import fiftyone.operators.types as types
from pydantic import Field

from ..plugin.dataset.predictions import prediction_fields
from ..plugin.door import FieldPath, Line, Lines, Parameters, RunName
from ..plugin.errors import CoresetError
from ..plugin.request import dataset_of
from ..plugin.rounds.load import load_rounds
from ..plugin.rounds.record import record_round, round_progress
from .operator import Answer, CoresetOperator
from .rounds_form import add_campaign, chosen_campaign, labels_of_tags

_MEASURES = {
    "head": "The light model on the embeddings",
    "predictions": "My model's predictions, in a field",
    "evaluation": "An evaluation run",
    "typed": "A number that I type",
}


class Params(Parameters):
    """Which rounds, and how good the model is with their labels."""

    brain_key: RunName | None = Field(None, title="Labelling rounds")
    number: int | None = Field(None, ge=1, title="Round", description="Several are open: which one came back?")
    measure: Literal["head", "predictions", "evaluation", "typed"] = Field("head", title="Judge")
    predictions: FieldPath | None = Field(None, title="Predictions")
    eval_key: FieldPath | None = Field(None, title="Evaluation")
    metric: Line = Field("accuracy", title="Metric")
    value: float | None = Field(None, ge=0, le=1, title="Value", description="From 0 to 1")
    minutes: float | None = Field(None, ge=0, title="Minutes of labelling", description="Optional")
    tags: Lines | None = Field(
        None, title="Tags that are labels",
        description="Optional: 'cat, canine = dog' writes these labels on tagged images without one",
    )  # fmt: skip


class RecordLabellingRound(CoresetOperator[Params]):
    """Records a round: labels, metrics, and advice."""

    name, label = "record_labelling_round", "Record labelling round"
    description = "Count the labels that came back, and judge the model"
    risk_level = types.RiskLevel.MEDIUM
    params = Params
    long_running = True
    answers = (("round", "Round"), ("labelled", "Labelled"), ("advice", "Advice"))

    def fill(self, form):
        key = add_campaign(form)
        if key is None:
            return
        progress = round_progress(form.dataset, key)
        for number, sentence in progress.items():
            form.say(f"progress_{number}", sentence)
        if len(progress) > 1:
            form.choose("number", {number: f"Round {number}" for number in progress}, required=True)
        form.text("tags")
        form.choose("measure", _MEASURES, default="head")
        if form.params.measure == "predictions":
            form.choose("predictions", prediction_fields(form.dataset), required=True)
        elif form.params.measure == "evaluation":
            names = form.dataset.list_evaluations()
            form.choose("eval_key", {name: name for name in names}, required=True)
        elif form.params.measure == "typed":
            form.text("metric")
            form.number("value", required=True)
        form.number("minutes")
        form.check(lambda: _measurement(form.params), lambda: labels_of_tags(form.params.tags))

    def work(self, ctx, params, progress):
        dataset = dataset_of(ctx)
        key = chosen_campaign(dataset, params.brain_key)
        entry = record_round(
            dataset,
            key,
            number=params.number,
            minutes=params.minutes,
            labels_from_tags=labels_of_tags(params.tags),
            progress=progress,
            **_measurement(params),
        )
        advice = load_rounds(dataset, key).advice().summary()
        facts = {
            "brain_key": key,
            "round": entry.number,
            "labelled": entry.n_returned,
            "labels": entry.n_labels_after,
            "metrics": {name: metric.value for name, metric in entry.metrics.items()},
            "advice": advice,
        }
        return Answer(f"{entry}. {' '.join(advice.splitlines())}", facts, [ctx.ops.reload_dataset()])

    def run_name(self, params):
        return f"record a round of '{params.brain_key}'" if params.brain_key else self.label


def _measurement(params: Params) -> dict[str, Any]:
    """How the model is judged, as the library takes it."""
    choices: dict[str, dict[str, Any]] = {
        "head": {},
        "predictions": {"predictions": params.predictions},
        "evaluation": {"eval_key": params.eval_key},
        "typed": {"metrics": {params.metric: params.value}},
    }
    given = {"predictions": params.predictions, "evaluation": params.eval_key, "typed": params.value}
    if given.get(params.measure, "") is None:
        raise CoresetError(f"'{_MEASURES[params.measure]}' is chosen, but not which")
    return choices[params.measure]
