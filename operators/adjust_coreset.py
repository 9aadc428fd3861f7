"""Operator: add what is selected to a coreset, or never take it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import fiftyone.operators.types as types
from pydantic import Field

from ..plugin.dataset.rows import Rows
from ..plugin.door import Parameters, RunName
from ..plugin.errors import CoresetError
from ..plugin.request import current_view, dataset_of
from ..plugin.runs.load import load_run
from .form import chosen_run
from .operator import Answer, CoresetOperator

if TYPE_CHECKING:
    from ..plugin.results import CoresetResults

_ACTIONS = {"add": "Add to the coreset: every budget keeps it", "never": "Never take it: no budget keeps it"}


class Params(Parameters):
    """Which run, and what becomes of what is selected."""

    brain_key: RunName | None = Field(None, title="Coreset run")
    action: Literal["add", "never"] = Field("add", title="What to do")


class AdjustCoreset(CoresetOperator[Params]):
    """Adds the selected images, or those of the view, to a coreset, or takes them out of it."""

    name, label = "adjust_coreset", "Adjust coreset by hand"
    description = "Add the selected images to a coreset, or never take them"
    risk_level = types.RiskLevel.MEDIUM
    params = Params
    long_running = True
    cancelled = "The run is as it was."
    answers = (("adjusted", "Images or objects"), ("ranked", "Ranked now"))

    def resolve_placement(self, ctx):
        return types.Placement(
            types.Places.SAMPLES_GRID_SECONDARY_ACTIONS,
            types.Button(label="Adjust coreset by hand", icon="/assets/icon.svg", prompt=True),
        )

    def fill(self, form):
        key = form.run()
        if key is None:
            return
        form.choose("action", _ACTIONS)
        form.check(lambda: form.say("what", _words(form.ctx, load_run(form.dataset, key))))

    def work(self, ctx, params, progress):
        from ..plugin.runs.by_hand import adjust_coreset

        dataset = dataset_of(ctx)
        key = chosen_run(dataset, params.brain_key)
        ids = _chosen(ctx, load_run(dataset, key))
        results = adjust_coreset(dataset, key, **{params.action: ids}, progress=progress)
        done = "first in" if params.action == "add" else "out of"
        message = f"{len(ids):,} {results.noun} are {done} run '{key}', which ranks {len(results):,}."
        return Answer(
            message, {"brain_key": key, "adjusted": len(ids), "ranked": len(results)}, [ctx.ops.reload_dataset()]
        )

    def run_name(self, params):
        return f"{self.label}: '{params.brain_key}'" if params.brain_key else self.label


def _words(ctx: Any, results: CoresetResults) -> str:
    ids = _chosen(ctx, results)
    where = "selected in the grid" if ctx.selected else "in the view, since nothing is selected"
    return f"{len(ids):,} {results.noun} {where}"


def _chosen(ctx: Any, results: CoresetResults) -> list[str]:
    """The ranked rows that are selected in the grid, else those of the view, best first.

    Raises:
        CoresetError: if that would be everything, or nothing
    """
    samples, order = current_view(ctx), results.ids[results.ranking].tolist()
    if ctx.selected:
        samples = samples.select(ctx.selected)
    chosen = set(Rows(samples, results.config.patches_field).ids())
    ids = [row_id for row_id in order if row_id in chosen]
    if not ids:
        raise CoresetError(f"none of the {len(chosen):,} chosen is ranked by run '{results.key}'")
    if len(ids) == len(order):
        raise CoresetError("select images in the grid, or open a view of those that are meant; this is all of them")
    return ids
