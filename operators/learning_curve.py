"""Operator: the learning curve of labelling rounds, and advice."""

from __future__ import annotations

import fiftyone.operators.types as types
from pydantic import Field

from ..plugin.diagnostics.tables import escaped
from ..plugin.door import Line, Parameters, RunName
from ..plugin.request import dataset_of
from ..plugin.rounds.load import load_rounds
from .operator import Answer, CoresetOperator
from .rounds_form import add_campaign, chosen_campaign


class Params(Parameters):
    """Which rounds, and what is to be reached."""

    brain_key: RunName | None = Field(None, title="Labelling rounds")
    metric: Line | None = Field(
        None,
        title="Metric",
        description="By default the accuracy, R² where labels are numbers, or the mAP of boxes; without test images "
        "the confidence, an estimate",
    )
    target: float | None = Field(None, gt=0, lt=1, title="Target", description="Optional: a value of the metric")
    cost_per_label: float | None = Field(None, ge=0, title="Cost of a label", description="Optional")
    value_per_point: float | None = Field(
        None, ge=0, title="Worth of a point", description="Optional: says what the next batch brings net"
    )


class LearningCurve(CoresetOperator[Params]):
    """Shows how the model grew with the labels, and what more of them may bring."""

    name, label = "learning_curve", "Learning curve"
    description = "See how good the model became with every round, and what more labels may bring"
    risk_level = types.RiskLevel.LOW
    params = Params

    def fill(self, form):
        key = add_campaign(form)
        if key is None:
            return
        names = {name for entry in load_rounds(form.dataset, key).history for name in entry.metrics}
        form.suggest("metric", sorted(names))
        form.number("target")
        form.number("cost_per_label")
        form.number("value_per_point")

    def work(self, ctx, params, progress):
        dataset = dataset_of(ctx)
        rounds = load_rounds(dataset, chosen_campaign(dataset, params.brain_key))
        curve = rounds.curve(params.metric)
        advice = rounds.advice(params.target, params.cost_per_label, params.metric, params.value_per_point)
        facts = {
            "rounds": len(curve),
            "labels": curve.n_labels.tolist(),
            "values": (1 - curve.errors).tolist(),
            "plot": _traces(curve, params.target),
            "axis": curve.metric,
            "advice": advice.summary(),
            "text": "\n\n".join(f"**{escaped(line.text)}**\n\n{escaped(line.evidence)}" for line in advice.lines),
        }
        return Answer(f"{curve.metric} over {len(curve)} rounds.", facts)

    def resolve_output(self, ctx):
        outputs = types.Object()
        axis = (ctx.results or {}).get("axis", "")
        layout = {
            "xaxis": {"title": {"text": "labels"}},
            "yaxis": {"title": {"text": axis}, "automargin": True},
            "margin": {"l": 90},
            "height": 400,
        }
        outputs.list("plot", types.Object(), view=types.PlotlyView(layout=layout))
        outputs.str("message", label="Rounds")
        outputs.str("text", view=types.MarkdownView())
        return types.Property(outputs, view=types.View(label=self.label))


def _traces(curve, target):
    """The curve as Plotly draws it."""
    values = (1 - curve.errors).tolist()
    errors = [0.0 if spread != spread else spread for spread in curve.standard_errors.tolist()]
    drawn = curve.drawn()
    traces = [
        {
            "x": curve.n_labels.tolist(),
            "y": values,
            "error_y": {
                "type": "data",
                "symmetric": False,
                "array": [min(error, 1 - value) for error, value in zip(errors, values, strict=True)],
                "arrayminus": errors,
            },
            "mode": "markers",
            "name": "rounds, ± SE",
        }
    ]
    if drawn is not None:
        n, value, low, high = (column.tolist() for column in drawn)
        traces += [
            {"x": n, "y": low, "mode": "lines", "line": {"width": 0}, "showlegend": False},
            {"x": n, "y": high, "mode": "lines", "line": {"width": 0}, "fill": "tonexty", "name": "80 % band"},
            {"x": n, "y": value, "mode": "lines", "line": {"dash": "dot"}, "name": "fitted power law"},
        ]
    if target is not None:
        ends = [float(curve.n_labels[0]), float(curve.horizon)]
        traces.append({"x": ends, "y": [target, target], "mode": "lines", "name": "target"})
    return traces
