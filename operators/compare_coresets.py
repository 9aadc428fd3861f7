"""Operator: two coresets side by side."""

from __future__ import annotations

from typing import Any

import fiftyone.operators as foo
import fiftyone.operators.types as types

from ..plugin.errors import CoresetError
from ..plugin.runs.compare import compare_coresets
from ..plugin.runs.load import list_runs
from ..plugin.selection.budget import parse_budget
from . import forms
from .configs import operator_config

_DEFAULT_BUDGET = "10%"
_SHOWN = {
    "nothing": "Leave the grid as it is",
    "only_first": "What only the first keeps",
    "only_second": "What only the second keeps",
    "shared": "What both keep",
}


class CompareCoresets(foo.Operator):
    """Compares two runs, saved views or tags, and shows where they differ."""

    @property
    def config(self):
        return operator_config(
            "compare_coresets",
            "Compare coresets",
            "Overlap, coverage, redundancy and class drift of two coresets, and what each keeps that the other drops",
            types.RiskLevel.LOW,
        )

    def resolve_input(self, ctx):
        inputs = types.Object()
        names = _comparable(ctx)
        if len(names) < 2:
            forms.refuse(inputs, "This dataset has fewer than two coreset runs, saved views and tags to compare.")
        else:
            choices = {name: name for name in names}
            first, second = _chosen(ctx, names)
            forms.choose(inputs, "first", choices, first, label="First coreset")
            forms.choose(inputs, "second", choices, second, label="Second coreset")
            inputs.str("budget", default=_DEFAULT_BUDGET, label="Budget of runs", description="A count or a percentage")
            forms.choose(inputs, "show", _SHOWN, "nothing", label="Then show")
            try:
                parse_budget(ctx.params.get("budget") or _DEFAULT_BUDGET)
                if first == second:
                    raise CoresetError("choose two different coresets")
            except CoresetError as error:
                forms.refuse(inputs, str(error))
        return types.Property(inputs, view=types.View(label="Compare coresets"))

    def execute(self, ctx):
        first, second = _chosen(ctx, _comparable(ctx))
        budget = ctx.params.get("budget") or _DEFAULT_BUDGET
        has_run = {first, second} & set(list_runs(ctx.dataset))
        vectors = None if has_run else forms.default_embeddings(forms.vector_fields(ctx))
        compared = compare_coresets(ctx.dataset, [first, second], budget=budget, embeddings=vectors, progress=False)
        show = ctx.params.get("show") or "nothing"
        if show == "shared":
            ctx.ops.set_view(view=compared.shared_view())
        elif show != "nothing":
            ctx.ops.set_view(view=compared.only_view(first if show == "only_first" else second))
        return {"comparison": compared.to_markdown()}

    def resolve_output(self, ctx):
        outputs = types.Object()
        outputs.str("comparison", view=types.MarkdownView())
        return types.Property(outputs, view=types.View(label="Compare coresets"))


def _comparable(ctx: Any) -> list[str]:
    dataset = ctx.dataset
    return [*list_runs(dataset), *dataset.list_saved_views(), *sorted(dataset.distinct("tags"))]


def _chosen(ctx: Any, names: list[str]) -> tuple[str, str]:
    """The two coresets of the form; by default the first two there are."""
    if len(names) < 2:
        raise CoresetError("there are fewer than two coreset runs, saved views and tags to compare")
    return ctx.params.get("first") or names[0], ctx.params.get("second") or names[1]
