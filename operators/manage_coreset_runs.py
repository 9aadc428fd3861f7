"""Operator: look at coreset runs and labelling rounds, rename and delete them."""

from __future__ import annotations

from typing import Any, Literal

import fiftyone.operators.types as types
from pydantic import Field

from ..plugin.diagnostics.tables import markdown_card, number, percent
from ..plugin.door import Parameters, RunName, name_like
from ..plugin.errors import CoresetError
from ..plugin.rank_views import views_on_rank
from ..plugin.request import dataset_of
from ..plugin.rounds.load import list_campaigns, load_rounds
from ..plugin.runs.load import list_runs, load_run
from ..plugin.runs.orphans import find_orphans, remove_orphans
from ..plugin.runs.views import default_view_name
from .form import chosen_run
from .operator import Answer, CoresetOperator

_ACTIONS = {"info": "Show info", "rename": "Rename", "delete": "Delete"}
_CLEAN_UP = {"clean_up": "Remove what deleted runs left behind"}

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
    action: Literal["info", "rename", "delete", "clean_up"] = Field("info", title="Action")
    new_name: name_like("coreset_v2") | None = Field(None, title="New name")  # type: ignore[valid-type]
    confirm: bool = Field(False, title="Yes, delete all of this")


class ManageCoresetRuns(CoresetOperator[Params]):
    """Shows, renames and deletes coreset runs, and labelling rounds."""

    name, label = "manage_coreset_runs", "Manage coreset runs"
    description = "Look at coreset runs and labelling rounds, rename them, or delete them with their fields"
    risk_level = types.RiskLevel.HIGH
    params = Params

    def fill(self, form):
        left, runs = _left_behind(form.dataset), _list_all(form.dataset)
        key = form.run(runs) if runs or not left else None
        if key is None and not left:
            return
        actions = (_ACTIONS if runs else {}) | (_CLEAN_UP if left else {})
        form.choose("action", actions, default=next(iter(actions)))
        if form.params.action == "clean_up":
            form.say("what", "Removes what deleted runs left behind", left, warning=True)
            form.tick("confirm")
            form.check(lambda: _something_left(form.dataset), lambda: _confirmed(form.params, "removing this"))
        elif form.params.action == "rename":
            form.text("new_name", required=True)
            form.check(lambda: _new_name(form.dataset, key, form.params))
        elif form.params.action == "delete":
            form.say("what", f"Deletes run '{key}'", _what_goes(form.dataset, key), warning=True)
            form.tick("confirm")
            form.check(lambda: _confirmed(form.params, f"deleting run '{key}'"))

    def work(self, ctx, params, progress):
        dataset = dataset_of(ctx)
        if params.action == "clean_up":
            left = _something_left(dataset)
            _confirmed(params, "removing this")
            answer = Answer(f"Removed what deleted runs left behind: {left}", remove_orphans(dataset))
            ctx.ops.reload_dataset()
            return answer
        runs = _list_all(dataset)
        key = params.brain_key or (runs[-1] if runs else chosen_run(dataset, None))
        if params.action == "info":
            return Answer(f"Run '{key}' of {len(runs)}.", {"brain_key": key, "info": _info(dataset, key)})
        if params.action == "rename":
            name = _new_name(dataset, key, params)
            dataset.rename_brain_run(key, name)
            answer = Answer(f"Run '{key}' is now '{name}'.", {"brain_key": name})
        else:
            _confirmed(params, f"deleting run '{key}'")
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


def _list_all(dataset: Any) -> list[str]:
    """Coreset runs, and campaigns of labelling rounds."""
    return list_runs(dataset) + list_campaigns(dataset)


def _require_run(dataset: Any, key: str) -> None:
    if key not in _list_all(dataset):
        raise CoresetError(f"dataset '{dataset.name}' has no coreset run '{key}'")


def _new_name(dataset: Any, key: str, params: Params) -> str:
    if params.new_name is None:
        raise CoresetError("give the run a new name, e.g. 'coreset_v2'")
    _require_run(dataset, key)
    dataset.get_brain_info(key).config.build().check_rename(dataset, key, params.new_name)
    return params.new_name


def _left_behind(dataset: Any) -> str:
    """What runs left that were deleted where this plugin is not installed; empty if nothing."""
    return "; ".join(f"the {kind} {', '.join(names)}" for kind, names in find_orphans(dataset).items() if names)


def _something_left(dataset: Any) -> str:
    left = _left_behind(dataset)
    if not left:
        raise CoresetError("no deleted run left anything behind")
    return left


def _confirmed(params: Params, what: str) -> None:
    if not params.confirm:
        raise CoresetError(f"{what} cannot be undone; tick 'Yes, delete all of this'")


def _fields(dataset: Any, key: str) -> list[str]:
    _require_run(dataset, key)
    return dataset.get_brain_info(key).config.build().get_fields(dataset, key)


def _views(dataset: Any, key: str) -> list[str]:
    _require_run(dataset, key)
    run = dataset.get_brain_info(key).config.build()
    if key in list_campaigns(dataset):
        return run.views(dataset, key)
    return views_on_rank(dataset, run.path(dataset, key, "rank"))


def _what_goes(dataset: Any, key: str) -> str:
    """What deleting a run takes with it; saved views that a person named come first."""
    views = _views(dataset, key)
    named = [name for name in views if not _is_default(name, key)]
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


def _is_default(view: str, key: str) -> bool:
    """Whether a view has the name that it gets if nobody says."""
    if view.removeprefix(f"{key} round ").isdigit():
        return True
    try:
        return view == default_view_name(key, view.removeprefix(f"{key} "))
    except CoresetError:
        return False


def _info(dataset: Any, key: str) -> str:
    """A Markdown table of what a curator wants to know about a run."""
    if key in list_campaigns(dataset):
        return load_rounds(dataset, key).markdown()
    results = load_run(dataset, key)  # says so if the run is incomplete
    info = dataset.get_brain_info(key)
    config = info.config
    rows = {
        "Method": config.method,
        "Embeddings": ", ".join(config.embeddings) if config.embeddings else "given vectors",
        "Ranked": f"{len(results):,} {results.noun}",
        "Left out (no usable embedding)": f"{config.n_missing or 0:,}",
        "Seed": str(config.seed),
        "Computed": f"{info.timestamp:%Y-%m-%d %H:%M} UTC",
        "Map": config.projection_note or "none",
        "Since then": (results.changes() or "").removeprefix(f"since run '{key}' was computed, "),
        "Saved views": ", ".join(_views(dataset, key)) or "none",
    } | {called: _written(name, config.facts[name]) for name, called in _FACTS.items() if name in config.facts}
    others = [run for run in _list_all(dataset) if run != key]
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
