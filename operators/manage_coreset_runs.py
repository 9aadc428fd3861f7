"""Operator: look at coreset runs, rename and delete them."""

from __future__ import annotations

import re
from typing import Any, Literal

import fiftyone.operators.types as types
from pydantic import Field

from ..plugin.diagnostics.tables import markdown_card, number, percent
from ..plugin.door import Parameters, RunName, name_like
from ..plugin.errors import CoresetError
from ..plugin.rank_views import views_on_rank
from ..plugin.request import dataset_of
from ..plugin.runs.load import list_runs, load_run
from .form import chosen_run
from .operator import Answer, CoresetOperator

_ACTIONS = {"info": "Show info", "rename": "Rename", "delete": "Delete"}

#: What a curator calls the facts of a run; a fact that is not listed tells about the mechanism only.
_FACTS = {
    "why": "What the images asked for",
    "near_copy_share": "Near-copies",
    "groups": "Groups of near-copies",
    "largest_group": "Images in the largest group",
    "excluded": "Excluded on request",
    "set_aside": "Outliers, ranked last",
    "near_duplicates": "Near-duplicates, ranked last",
    "near_duplicate_radius": "Near-duplicates are closer than",
    "n_classes": "Classes",
    "n_unlabelled": "Without a label",
    "n_pseudo": "Labelled by agreement",
    "share_wrong": "Labels that look wrong",
    "reliability": "Reliability (1 is perfectly repeatable)",
    "n_draws": "Draws",
    "warning": "Note",
}
_SHARES = ("near_copy_share", "share_wrong")


class Params(Parameters):
    """Which run, and what to do with it."""

    brain_key: RunName | None = Field(None, title="Coreset run")
    action: Literal["info", "rename", "delete"] = Field("info", title="Action")
    new_name: name_like("coreset_v2") | None = Field(None, title="New name")  # type: ignore[valid-type]
    confirm: bool = Field(False, title="Yes, delete all of this")


class ManageCoresetRuns(CoresetOperator[Params]):
    """Shows, renames and deletes coreset runs."""

    name, label = "manage_coreset_runs", "Manage coreset runs"
    description = "Look at coreset runs, rename them, or delete them with their fields"
    risk_level = types.RiskLevel.HIGH
    params = Params

    def fill(self, form):
        key = form.run()
        if key is None:
            return
        form.choose("action", _ACTIONS)
        if form.params.action == "rename":
            form.text("new_name", required=True)
            form.check(lambda: _new_name(form.dataset, key, form.params))
        elif form.params.action == "delete":
            form.say("what", f"Deletes run '{key}'", _what_goes(form.dataset, key), warning=True)
            form.tick("confirm")
            form.check(lambda: _confirmed(form.params, key))

    def work(self, ctx, params, progress):
        dataset = dataset_of(ctx)
        key = chosen_run(dataset, params.brain_key)
        if params.action == "info":
            return Answer(f"Run '{key}' of {len(list_runs(dataset))}.", {"brain_key": key, "info": _info(dataset, key)})
        if params.action == "rename":
            name = _new_name(dataset, key, params)
            dataset.rename_brain_run(key, name)
            answer = Answer(f"Run '{key}' is now '{name}'.", {"brain_key": name})
        else:
            _confirmed(params, key)
            message = f"Deleted run '{key}': {_what_goes(dataset, key)}"
            facts = {"brain_key": key, "fields": _fields(dataset, key), "views": _views(dataset, key)}
            dataset.delete_brain_run(key)
            answer = Answer(message, facts)
        ctx.ops.reload_dataset()
        return answer

    def resolve_output(self, ctx):
        outputs = types.Object()
        if ctx.params.get("action") in (None, "", "info"):
            outputs.str("info", view=types.MarkdownView())
        else:
            outputs.str("message", label="Done")
        return types.Property(outputs, view=types.View(label=self.label))


def _require_run(dataset: Any, key: str) -> None:
    if key not in list_runs(dataset):
        raise CoresetError(f"dataset '{dataset.name}' has no coreset run '{key}'")


def _new_name(dataset: Any, key: str, params: Params) -> str:
    if params.new_name is None:
        raise CoresetError("give the run a new name, e.g. 'coreset_v2'")
    _require_run(dataset, key)
    dataset.get_brain_info(key).config.build().check_rename(dataset, key, params.new_name)
    return params.new_name


def _confirmed(params: Params, key: str) -> None:
    if not params.confirm:
        raise CoresetError(f"deleting run '{key}' cannot be undone; tick 'Yes, delete all of this'")


def _fields(dataset: Any, key: str) -> list[str]:
    _require_run(dataset, key)
    return dataset.get_brain_info(key).config.build().get_fields(dataset, key)


def _views(dataset: Any, key: str) -> list[str]:
    _require_run(dataset, key)
    return views_on_rank(dataset, dataset.get_brain_info(key).config.build().path(dataset, key, "rank"))


def _what_goes(dataset: Any, key: str) -> str:
    """What deleting a run takes with it; saved views that a person named come first."""
    views = _views(dataset, key)
    named = [name for name in views if not re.fullmatch(rf"{re.escape(key)} \d+", name)]
    others = [name for name in views if name not in named]
    parts = [
        f"{what} {', '.join(names)}"
        for what, names in (
            ("the saved views that you named", named),
            ("the saved views", others),
            ("the fields", _fields(dataset, key)),
        )
        if names
    ]
    return "; ".join(parts)


def _info(dataset: Any, key: str) -> str:
    """A Markdown table of what a curator wants to know about a run."""
    results = load_run(dataset, key)  # says so if the run is incomplete
    info = dataset.get_brain_info(key)
    config = info.config
    noun = "objects" if config.patches_field else "images"
    rows = {
        "Method": config.method,
        "Embeddings": ", ".join(config.embeddings) if config.embeddings else "an array",
        "Ranked": f"{len(results):,} {noun}",
        "Left out (no usable embedding)": f"{config.n_missing or 0:,}",
        "Seed": str(config.seed),
        "Computed": f"{info.timestamp:%Y-%m-%d %H:%M} UTC",
        "Map": config.projection_note or "none",
        "Saved views": ", ".join(_views(dataset, key)) or "none",
    } | {called: _written(name, config.facts[name]) for name, called in _FACTS.items() if name in config.facts}
    others = [run for run in list_runs(dataset) if run != key]
    caption = f"Other runs: {', '.join(others)}" if others else ""
    known = [(name, value) for name, value in rows.items() if value]
    return markdown_card([(key, ("", ""), known, caption)])


def _written(name: str, value: Any) -> str:
    """A fact as a person reads it; empty if there is nothing to tell."""
    if value is None or isinstance(value, bool | dict | list):
        return ""
    if isinstance(value, int | float):
        return percent(value) if name in _SHARES else number(value)
    return str(value)
