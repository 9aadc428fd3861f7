"""Operator: save the coreset of a budget as a view."""

from __future__ import annotations

from typing import Any

import fiftyone.operators as foo
import fiftyone.operators.types as types

from ..plugin.errors import CoresetError
from ..plugin.runs.load import load_run
from ..plugin.runs.views import create_coreset_view
from . import forms
from .configs import operator_config

_DEFAULT_BUDGET = "10%"


class CreateCoresetView(foo.Operator):
    """Saves a coreset as a view, and opens it."""

    @property
    def config(self):
        return operator_config(
            "create_coreset_view",
            "Create coreset view",
            "Save the images worth keeping within a budget as a view",
            types.RiskLevel.LOW,
        )

    def resolve_placement(self, ctx):
        return types.Placement(
            types.Places.SAMPLES_GRID_SECONDARY_ACTIONS,
            types.Button(label="Create coreset view", icon="/assets/icon.svg", prompt=True),
        )

    def resolve_input(self, ctx):
        inputs = types.Object()
        if forms.choose_run(ctx, inputs) is not None:
            inputs.str(
                "budget",
                default=_DEFAULT_BUDGET,
                label="Budget",
                description="A count (500), a percentage (10%), or '95% coverage'",
            )
            try:
                results, k = _resolve(ctx)
                noun = "objects" if results.config.patches_field else "images"
                inputs.view("keeps", types.Notice(label=f"Keeps {k:,} of {len(results):,} {noun}"))
                inputs.str(
                    "name", default=None, label="Name of the view", description=f"By default '{results.key} {k}'"
                )
                inputs.bool("overwrite", default=False, label="Overwrite a view or field of this name")
                inputs.str("tag", label="Tag", description="Optional: tag what is kept, for export")
                inputs.str("field", label="Boolean field", description="Optional: write membership to a field")
                _check_name(ctx, results.key, k)
            except CoresetError as error:
                forms.refuse(inputs, str(error))
        return types.Property(inputs, view=types.View(label="Create coreset view"))

    def execute(self, ctx):
        results, k = _resolve(ctx)
        view = create_coreset_view(
            ctx.dataset,
            results.key,
            k,
            name=ctx.params.get("name") or None,
            overwrite=bool(ctx.params.get("overwrite")),
            tag=ctx.params.get("tag") or None,
            field=ctx.params.get("field") or None,
        )
        ctx.ops.reload_dataset()
        ctx.ops.set_view(view=view)
        return {"view": view.name, "kept": k, "ranked": len(results)}

    def resolve_output(self, ctx):
        outputs = types.Object()
        outputs.str("view", label="Saved view")
        outputs.int("kept", label="Kept")
        outputs.int("ranked", label="Out of")
        return types.Property(outputs, view=types.View(label="Coreset view saved"))


def _resolve(ctx: Any):
    """The chosen run and the number of rows its budget keeps."""
    results = load_run(ctx.dataset, forms.chosen_run(ctx))
    budget = ctx.params.get("budget")
    return results, results.budget(_DEFAULT_BUDGET if budget in (None, "") else budget)


def _check_name(ctx: Any, brain_key: str, k: int) -> None:
    name = ctx.params.get("name") or f"{brain_key} {k}"
    if name in ctx.dataset.list_saved_views() and not ctx.params.get("overwrite"):
        raise CoresetError(f"a saved view '{name}' exists; choose another name or tick 'Overwrite'")
