"""Operator: look at coreset runs, rename and delete them."""

from __future__ import annotations

from typing import Any

import fiftyone.operators as foo
import fiftyone.operators.types as types

from ..plugin.errors import CoresetError
from ..plugin.rank_views import views_on_rank
from ..plugin.runs.load import list_runs, load_run
from . import forms
from .configs import operator_config

_ACTIONS = {"info": "Show info", "rename": "Rename", "delete": "Delete"}


class ManageCoresetRuns(foo.Operator):
    """Shows, renames and deletes coreset runs."""

    @property
    def config(self):
        return operator_config(
            "manage_coreset_runs",
            "Manage coreset runs",
            "Look at coreset runs, rename them, or delete them with their fields",
            types.RiskLevel.HIGH,
        )

    def resolve_input(self, ctx):
        inputs = types.Object()
        key = forms.choose_run(ctx, inputs)
        if key is not None:
            forms.choose(inputs, "action", _ACTIONS, "info", label="Action")
            action = ctx.params.get("action") or "info"
            if action == "rename":
                inputs.str("new_name", label="New name", required=True)
                try:
                    _check_new_name(ctx)
                except CoresetError as error:
                    forms.refuse(inputs, str(error))
            elif action == "delete":
                inputs.view("what", types.Warning(label=f"Deletes run '{key}'", description=_what_goes(ctx, key)))
        return types.Property(inputs, view=types.View(label="Manage coreset runs"))

    def execute(self, ctx):
        key = forms.chosen_run(ctx)
        action = ctx.params.get("action") or "info"
        if action not in _ACTIONS:
            raise CoresetError(f"action '{action}' is unknown; use one of {', '.join(_ACTIONS)}")
        if action == "info":
            return {"message": _info(ctx, key)}
        if action == "rename":
            new_name = _check_new_name(ctx)
            ctx.dataset.rename_brain_run(key, new_name)
            message = f"Run '{key}' is now '{new_name}'."
        else:
            message = f"Deleted run '{key}': {_what_goes(ctx, key)}"
            ctx.dataset.delete_brain_run(key)
        ctx.ops.reload_dataset()
        return {"message": message}

    def resolve_output(self, ctx):
        outputs = types.Object()
        outputs.str("message", label="Coreset runs", view=types.MarkdownView())
        return types.Property(outputs, view=types.View(label="Manage coreset runs"))


def _check_new_name(ctx: Any) -> str:
    name = ctx.params.get("new_name") or ""
    if not name.isidentifier():
        raise CoresetError(f"'{name}' must be a valid variable name, e.g. 'coreset_v2'")
    key = forms.chosen_run(ctx)
    ctx.dataset.get_brain_info(key).config.build().check_rename(ctx.dataset, key, name)
    return name


def _what_goes(ctx: Any, key: str) -> str:
    """What deleting a run takes with it."""
    run = ctx.dataset.get_brain_info(key).config.build()
    fields = run.get_fields(ctx.dataset, key)
    views = views_on_rank(ctx.dataset, run.path(ctx.dataset, key, "rank"))
    sentence = f"its fields {', '.join(fields)}"
    return f"{sentence} and the saved views {', '.join(views)}" if views else sentence


def _info(ctx: Any, key: str) -> str:
    """A Markdown table of what is known about a run."""
    info = ctx.dataset.get_brain_info(key)
    config = info.config
    rows = {
        "Method": config.method,
        "Embeddings": ", ".join(config.embeddings) if config.embeddings else "an array",
        "Ranked": f"{config.n:,}",
        "Left out (no usable embedding)": f"{config.n_missing:,}",
        "Seed": config.seed,
        "Computed": f"{info.timestamp:%Y-%m-%d %H:%M} UTC",
        "Map": config.projection_note or "none",
    } | {name.replace("_", " ").capitalize(): value for name, value in config.facts.items()}
    load_run(ctx.dataset, key)  # says so if the run is incomplete
    others = [run for run in list_runs(ctx.dataset) if run != key]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return f"**{key}**\n\n| | |\n|---|---|\n{table}" + (f"\n\nOther runs: {', '.join(others)}" if others else "")
