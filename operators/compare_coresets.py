"""Operator: two coresets side by side."""

from __future__ import annotations

from typing import Any, Literal

import fiftyone.operators.types as types
from pydantic import Field, field_validator

from ..plugin.door import Parameters, Tag
from ..plugin.errors import CoresetError
from ..plugin.request import dataset_of
from ..plugin.runs.compare import compare_coresets
from ..plugin.runs.load import list_runs
from .create_coreset_view import DEFAULT_BUDGET, checked_budget
from .form import IMAGES, default_embeddings, vector_fields
from .operator import Answer, CoresetOperator

_SHOWN = {
    "nothing": "Leave the grid as it is",
    "only_first": "What only the first keeps",
    "only_second": "What only the second keeps",
    "shared": "What both keep",
}


class Params(Parameters):
    """Which two, at which budget, and what to show of them."""

    first: Tag | None = Field(None, title="First coreset")
    second: Tag | None = Field(None, title="Second coreset")
    budget: Any = Field(DEFAULT_BUDGET, title="Budget of runs", description="A count or a percentage")
    show: Literal["nothing", "only_first", "only_second", "shared"] = Field("nothing", title="Then show")

    _budget = field_validator("budget")(checked_budget)


class CompareCoresets(CoresetOperator[Params]):
    """Compares two runs, saved views or tags, and shows where they differ."""

    name, label = "compare_coresets", "Compare coresets"
    description = "Overlap, coverage, redundancy and class drift of two coresets, and what each keeps alone"
    risk_level = types.RiskLevel.LOW
    params = Params

    def fill(self, form):
        names = _comparable(form.dataset)
        first, second = _chosen(names, form.params)
        choices = {name: name for name in names}
        form.choose("first", choices, default=first)
        form.choose("second", choices, default=second)
        form.text("budget")
        form.choose("show", _SHOWN)

    def work(self, ctx, params, progress):
        dataset = dataset_of(ctx)
        first, second = _chosen(_comparable(dataset), params)
        has_run = {first, second} & set(list_runs(dataset))
        vectors = None if has_run else default_embeddings(vector_fields(dataset, IMAGES))
        compared = compare_coresets(
            dataset, [first, second], budget=params.budget, embeddings=vectors, progress=progress
        )
        sizes, shared = compared.shared_counts.diagonal().tolist(), int(compared.shared_counts[0, 1])
        message = f"'{first}' keeps {sizes[0]:,}, '{second}' {sizes[1]:,}; both keep {shared:,} of them."
        steps = []
        if params.show == "shared":
            steps = [ctx.ops.set_view(view=compared.shared_view())]
        elif params.show != "nothing":
            steps = [ctx.ops.set_view(view=compared.only_view(first if params.show == "only_first" else second))]
        return Answer(message, {"comparison": compared.to_markdown(), "report": compared.to_dict()}, steps)

    def resolve_output(self, ctx):
        outputs = types.Object()
        outputs.str("comparison", view=types.MarkdownView())
        return types.Property(outputs, view=types.View(label=self.label))

    def run_name(self, params):
        return f"'{params.first}' against '{params.second}'" if params.first and params.second else self.label


def _comparable(dataset: Any) -> list[str]:
    return [*list_runs(dataset), *dataset.list_saved_views(), *sorted(dataset.distinct("tags"))]


def _chosen(names: list[str], params: Params) -> tuple[str, str]:
    """The two coresets of the form; by default the first two there are."""
    if len(names) < 2:
        raise CoresetError("This dataset has fewer than two coreset runs, saved views and tags to compare.")
    first, second = params.first or names[0], params.second or names[1]
    for name in (first, second):
        if name not in names:
            raise CoresetError(f"there is no coreset run, saved view or tag '{name}'")
    if first == second:
        raise CoresetError("choose two different coresets")
    return first, second
