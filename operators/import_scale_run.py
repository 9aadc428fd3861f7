"""Operator: bring the selection of a run of many images into FiftyOne."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

import fiftyone.operators.types as types
from pydantic import Field

from ..plugin.door import Line, Parameters, RunName
from ..plugin.errors import CoresetError
from ..plugin.request import dataset_of
from .operator import Answer, CoresetOperator

if TYPE_CHECKING:
    from ..plugin.scale.places import Place

#: The setting that says where runs lie: a person at the App chooses one of them, and cannot look anywhere else.
FOLDER = "FIFTYONE_CORESET_RUNS"

_INTO = {"coreset": "A new dataset of the chosen images", "pool": "Ranks on the images of this dataset"}
_MAPS = {"umap": "UMAP: neighbours stay together", "pca": "PCA: quick", "none": "No map"}


class Params(Parameters):
    """Which run and selection, and where to."""

    run: Line | None = Field(None, title="Run")
    selection: Line | None = Field(None, title="Selection")
    only: Literal["coreset", "pool"] = Field("coreset", title="Import as")
    name: Line | None = Field(None, title="Name of the new dataset")
    keep: int | None = Field(None, ge=1, title="At most", description="The first of the ranking; all of it if empty")
    brain_key: RunName = Field("coreset", title="Name of the coreset run")
    projection: Literal["umap", "pca", "none"] = Field("umap", title="Map")


class ImportScaleRun(CoresetOperator[Params]):
    """Imports what was chosen of a run that ``fiftyone-coreset scale`` made."""

    name, label = "import_scale_run", "Import a scale run"
    description = "Bring what was chosen of millions of images into FiftyOne, as a dataset or as ranks"
    risk_level = types.RiskLevel.MEDIUM
    params = Params
    long_running = True
    cancelled = "What was added stays; the same import continues with it."
    answers = (("images", "Images"), ("dataset", "Dataset"))

    def fill(self, form):
        params = form.params
        runs = _runs()
        if not runs:
            raise CoresetError(f"the folder that {FOLDER} names holds no run yet; 'fiftyone-coreset scale' makes one")
        form.choose("run", {name: name for name in runs}, required=True)
        if params.run not in runs:
            form.refuse("Choose a run.")
            return
        selections = _selections(params.run)
        form.say("state", f"Run '{params.run}'", _state(params.run))
        if not selections:
            raise CoresetError(f"no selection of run '{params.run}' is complete; run 'fiftyone-coreset scale select'")
        form.choose("selection", {name: f"{name}: {n:,} images" for name, n in selections.items()}, required=True)
        form.choose("only", _INTO)
        if params.only == "coreset":
            form.text("name", default=params.run, required=True)
        form.whole_number("keep")
        form.text("brain_key")
        form.choose("projection", _MAPS)
        if params.selection not in selections:
            form.refuse("Choose a selection.")

    def work(self, ctx, params, progress):
        from ..plugin.scale import import_coreset

        runs = _runs()
        if params.run not in runs or params.selection not in _selections(params.run):
            raise CoresetError("choose a run and one of its complete selections")
        here = dataset_of(ctx).name
        name = here if params.only == "pool" else params.name or params.run
        results = import_coreset(
            runs[params.run],
            params.selection,
            name,
            only=params.only,
            keep=params.keep,
            brain_key=params.brain_key,
            projection=None if params.projection == "none" else params.projection,
            progress=progress,
        )
        n = len(results.ranking)
        steps = [] if name == here else [ctx.ops.open_dataset(name)]
        message = f"{n:,} images of run '{params.run}' are coreset run '{params.brain_key}' of dataset '{name}'."
        return Answer(message, {"images": n, "dataset": name}, steps)

    def run_name(self, params):
        return f"Import '{params.run}'"


def _runs() -> dict[str, Place]:
    from ..plugin.scale.shelf import runs_in

    folder = os.environ.get(FOLDER)
    if not folder:
        raise CoresetError(f"runs are chosen from one folder; set {FOLDER} to it where the App's server starts")
    return runs_in(folder)


def _selections(run: str) -> dict[str, int]:
    from ..plugin.scale import open as open_run
    from ..plugin.scale.shelf import complete_selections

    return complete_selections(open_run(_runs()[run]))


def _state(run: str) -> str:
    from ..plugin.scale import status

    state = status(_runs()[run])
    return f"{state.n:,} images of {state.source}; {'; '.join(map(str, state.stages))}"
