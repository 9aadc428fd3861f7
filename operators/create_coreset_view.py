"""Operator: save the coreset of a budget as a view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fiftyone.operators.types as types
from pydantic import Field, field_validator

from ..plugin.dataset.rows import FRAMES
from ..plugin.door import NewField, Parameters, RunName, Tag, ViewName
from ..plugin.errors import CoresetError
from ..plugin.request import dataset_of
from ..plugin.runs.load import load_run
from ..plugin.runs.views import create_coreset_view, default_view_name
from ..plugin.selection.budget import parse_budget
from .form import chosen_run, require_free_view_name
from .operator import Answer, CoresetOperator

if TYPE_CHECKING:
    from fiftyone.core.dataset import Dataset

    from ..plugin.results import CoresetResults

DEFAULT_BUDGET = "10%"

#: More than any budget needs in words.
_MAX_BUDGET = 40


def checked_budget(budget: Any) -> Any:
    """A budget as typed, which can be parsed.

    Raises:
        CoresetError: if it cannot
    """
    if len(str(budget)) > _MAX_BUDGET:
        raise CoresetError("budget must be a count, a percentage or '95% coverage', of a few characters")
    parse_budget(budget)
    return budget


class Params(Parameters):
    """Which run, how much of it, and where it is written."""

    brain_key: RunName | None = Field(None, title="Coreset run")
    budget: Any = Field(
        DEFAULT_BUDGET, title="Budget", description="A count (500), a percentage (10%), or '95% coverage'"
    )
    new: Any = Field(None, title="And of what the last update added", description="A count or a percentage, best first")
    name: ViewName | None = Field(None, title="Name of the view")
    overwrite: bool = Field(False, title="Overwrite a view or field of this name")
    tag: Tag | None = Field(None, title="Tag", description="Optional: tag what is kept, for export")
    field: NewField | None = Field(None, title="Boolean field", description="Optional: write membership to a field")

    _budget = field_validator("budget")(checked_budget)

    @field_validator("new")
    @classmethod
    def _new_budget(cls, new: Any) -> Any:
        return None if new is None else checked_budget(new)


class CreateCoresetView(CoresetOperator[Params]):
    """Saves a coreset as a view, and opens it."""

    name, label = "create_coreset_view", "Create coreset view"
    description = "Save the images worth keeping within a budget as a view"
    risk_level = types.RiskLevel.LOW
    params = Params
    answers = (("view", "Saved view"), ("kept", "Kept"), ("ranked", "Out of"), ("description", "How it was made"))

    def resolve_placement(self, ctx):
        return types.Placement(
            types.Places.SAMPLES_GRID_SECONDARY_ACTIONS,
            types.Button(label="Create coreset view", icon="/assets/icon.svg", prompt=True),
        )

    def fill(self, form):
        if form.run() is None:
            return
        form.text("budget")
        results = _run(form.dataset, form.params)
        if results.config.updates:
            form.text("new")
        kept = len(results.kept(form.params.budget, form.params.new))
        form.say("keeps", f"Keeps {kept:,} of {results.alive().sum():,} {results.noun}")
        default_name = default_view_name(results.key, form.params.budget, form.params.new)
        form.text("name", description=f"By default '{default_name}'")
        form.tick("overwrite")
        if results.config.patches_field != FRAMES:  # whose tags FiftyOne does not keep
            form.text("tag")
        form.text("field")
        name = form.params.name or default_name
        form.check(lambda: require_free_view_name(form.dataset, name, form.params.overwrite))

    def work(self, ctx, params, progress):
        results = _run(dataset_of(ctx), params)
        view = create_coreset_view(
            ctx.dataset,
            results.key,
            params.budget,
            name=params.name,
            overwrite=params.overwrite,
            tag=params.tag,
            field=params.field,
            new=params.new,
        )
        kept, ranked = len(view), int(results.alive().sum())
        facts = {
            "brain_key": results.key,
            "view": view.name,
            "kept": kept,
            "ranked": ranked,
            "description": ctx.dataset.get_saved_view_info(view.name)["description"],
        }
        steps = [ctx.ops.reload_dataset(), ctx.ops.set_view(view=view)]
        return Answer(f"Saved the view '{view.name}': {kept:,} of {ranked:,}.", facts, steps)


def _run(dataset: Dataset, params: Params) -> CoresetResults:
    return load_run(dataset, chosen_run(dataset, params.brain_key))
