"""The Coreset panel: its events. State and data are here and in the run; the web component draws."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

import fiftyone as fo
import fiftyone.operators as foo
import fiftyone.operators.types as types
import numpy as np
from pydantic import Field

from ..plugin.dataset.rows import one
from ..plugin.door import Tag
from ..plugin.embeddings.record import ClipSpec
from ..plugin.embeddings.sources import vectors_by_rows
from ..plugin.errors import CoresetError
from ..plugin.request import bare_view, current_view
from ..plugin.runs.load import list_runs
from . import figures, grid
from .colorings import channels, coloring
from .events import EVENTS, PLUGIN, AtBudget, Nothing, OfRun, event, run_of
from .group_events import GroupEvents, Open
from .payload import encode, encode_mask
from .round_events import RoundEvents
from .rounds import summaries
from .runs import PanelRun, version_of

#: Selected rows that are marked on the map.
_MAX_SELECTED = 2_000


class OfRow(OfRun):
    """An event about one row of a run."""

    row: int = Field(ge=0)


class OfRowAtBudget(OfRow, AtBudget):
    """An event about one row at a budget."""


class Coloring(OfRun):
    """How the map is to be coloured; 0 for colours that do not depend on a budget."""

    channel: str = Field(max_length=200)
    k: int = Field(0, ge=0)


class Region(OfRun):
    """The corners of a region of the map."""

    polygon: list[Annotated[list[float], Field(min_length=2, max_length=2)]] = Field(
        min_length=3, max_length=grid.MAX_CORNERS, title="region of the map"
    )


class Other(AtBudget):
    """A run to compare with."""

    other: Tag


class CoresetPanel(GroupEvents, RoundEvents, foo.Panel):
    """Coverage and redundancy of a coreset run, live against the budget."""

    @property
    def config(self) -> foo.PanelConfig:
        return foo.PanelConfig(
            name="coreset",
            label="Coreset",
            icon="scatter_plot",
            category=foo.Categories.CURATE,
            surfaces="grid",
            allow_multiple=False,
            help_markdown=(
                "See what a coreset keeps, covers and leaves out, choose the budget, and save the view.\n\n"
                "Drag to move, scroll to zoom, Shift and drag for a lasso, Escape to leave it. By keyboard: arrows, "
                "`+` and `-`, and Enter to filter the grid to what is in sight."
            ),
        )

    def render(self, ctx: Any) -> types.Property:
        events = {name: getattr(self, name) for name in EVENTS}
        return types.Property(types.Object(), view=types.View(component="CoresetPanel", composite_view=True, **events))

    # What the App tells the panel. Only versions and small lists travel this way; the component asks for the rest.

    def on_load(self, ctx: Any) -> None:
        self._announce(ctx)

    def on_change_dataset(self, ctx: Any) -> None:
        self._announce(ctx)

    def on_change_view(self, ctx: Any) -> None:
        self._announce(ctx)

    def on_change_selected(self, ctx: Any) -> None:
        ctx.panel.set_data("selected_version", _digest(ctx.selected or []))

    def _announce(self, ctx: Any) -> None:
        """Tells the component what it shows; the App calls this several times a change, always with the same words."""
        dataset = ctx.dataset
        parts = [ctx.request_params.get(name) for name in ("view", "view_name", "filters", "extended")]
        ctx.panel.set_data({"dataset": dataset.name if dataset is not None else None, "view_version": _digest(parts)})

    def on_scored(self, ctx: Any) -> None:
        """A form that the panel opened was executed: look at the runs again."""
        ctx.panel.set_data("runs_version", _digest(_run_versions(ctx.dataset)))

    # What the component asks for.

    @event(Nothing)
    def load_runs(self, ctx: Any, _: Nothing) -> dict[str, Any]:
        dataset: fo.Dataset = ctx.dataset
        dataset.reload()
        runs = [_summary(dataset, key, version) for key, version in _run_versions(dataset).items()]
        vectors = [
            name if rows is None else f"{name} of '{rows}'"
            for rows, names in vectors_by_rows(dataset).items()
            for name in names
        ]
        return {
            "dataset": dataset.name,
            "runs": sorted(runs, key=lambda run: run["version"], reverse=True),
            "campaigns": summaries(dataset),
            "embeddings": vectors,
            "samples": len(dataset),
            "last": ctx.panel.get_state("last"),
        }

    @event(OfRun)
    def load_run(self, ctx: Any, params: OfRun) -> dict[str, Any]:
        run = run_of(ctx, params)
        config = run.config
        return {
            "key": run.key,
            "version": run.version,
            "method": config.method,
            "embeddings": _embeddings_name(config.embeddings),
            "model": _model_name(config.models),
            "seed": config.seed,
            "noun": run.noun,
            "n": run.n,
            "missing": config.n_missing or 0,
            "reliability": config.reliability,
            "fingerprints": run.results.near_copies is not None,
            "why": config.facts.get("why", ""),
            "projection": (config.projection or "map").upper(),
            "projectionNote": config.projection_note or "",
            "points": encode(np.asarray(run.results.points, dtype=np.float32)[run.order]),
            "channels": channels(run),
        }

    @event(OfRun)
    def load_curve(self, ctx: Any, params: OfRun) -> dict[str, Any]:
        run = run_of(ctx, params)
        return figures.curve_payload(run)

    @event(OfRun)
    def load_layers(self, ctx: Any, params: OfRun) -> dict[str, Any]:
        run = run_of(ctx, params)
        with run.lock:  # an older run's is computed now, once
            cover = run.results.first_cover()
        return {"coveredAt": encode(cover.covered_at), "duplicateAt": encode(cover.duplicate_at)}

    @event(Coloring)
    def load_coloring(self, ctx: Any, params: Coloring) -> dict[str, Any]:
        run = run_of(ctx, params)
        return coloring(run, params.channel, min(params.k, run.n) or run.n)

    @event(OfRun)
    def load_view(self, ctx: Any, params: OfRun) -> dict[str, Any]:
        run = run_of(ctx, params)
        ranked = grid.ranked_rows(run)
        shown = current_view(ctx)
        view = grid.shown_rows(run, shown) if grid.is_narrowed(shown) else ranked
        return {
            "mask": None if view.mask.all() else encode_mask(view.mask),
            "alive": None if ranked.mask.all() else encode_mask(ranked.mask),
            "shown": int(view.mask.sum()),
            "region": grid.has_region(bare_view(ctx)),
            "notices": grid.notices(run, ranked, view, view.unranked + int(view.mask.sum())),
        }

    @event(OfRun)
    def load_selected(self, ctx: Any, params: OfRun) -> dict[str, Any]:
        ids = [row_id for row_id in ctx.selected or [] if isinstance(row_id, str)]
        return {"rows": grid.rows_of_ids(run_of(ctx, params), ids[:_MAX_SELECTED])}

    @event(OfRowAtBudget)
    def inspect(self, ctx: Any, params: OfRowAtBudget) -> dict[str, Any]:
        run = run_of(ctx, params)
        return figures.inspection(run, _row(params, run), _budget(params, run))

    @event(AtBudget)
    def report(self, ctx: Any, params: AtBudget) -> dict[str, Any]:
        run = run_of(ctx, params)
        k = _budget(params, run)
        ctx.panel.set_state("last", {"key": run.key, "k": k})
        return figures.report_payload(run, k)

    # What the component does to the App.

    @event(OfRow)
    def open_sample(self, ctx: Any, params: OfRow) -> dict[str, Any]:
        run = run_of(ctx, params)
        return self._open(ctx, run, str(run.ids[_row(params, run)]))

    @event(Open)
    def open_member(self, ctx: Any, params: Open) -> dict[str, Any]:
        return self._open(ctx, run_of(ctx, params), params.id)

    @event(Region)
    def show_region(self, ctx: Any, params: Region) -> dict[str, Any]:
        run = run_of(ctx, params)
        view = grid.region_view(run, bare_view(ctx), params.polygon)
        if run.config.whole_groups:
            ctx.ops.set_group_slice(view.group_slice)  # which has the points
        return self._show(ctx, view)

    @event(Nothing)
    def leave_region(self, ctx: Any, _: Nothing) -> dict[str, Any]:
        return self._show(ctx, grid.without_region(bare_view(ctx)))

    @event(AtBudget)
    def show_kept(self, ctx: Any, params: AtBudget) -> dict[str, Any]:
        run = run_of(ctx, params)
        return self._show(ctx, run.results.view(run.n_alive(_budget(params, run))))

    @event(AtBudget)
    def show_uncovered(self, ctx: Any, params: AtBudget) -> dict[str, Any]:
        from .colorings import distances

        run = run_of(ctx, params)
        k = _budget(params, run)
        distance = distances(run, k)
        rows = np.flatnonzero(distance > run.results.curve().coverage_radius)
        if not len(rows):
            raise CoresetError("Nothing is uncovered at this budget.")
        farthest = rows[np.argsort(-distance[rows], kind="stable")]
        if len(rows) > grid.MAX_IDS:
            ctx.ops.notify(f"Showing the {grid.MAX_IDS:,} farthest of {len(rows):,} uncovered {run.noun}.")
        return self._show(ctx, grid.ordered_view(run, run.ids[farthest].tolist()))

    @event(AtBudget)
    def create_view(self, ctx: Any, params: AtBudget) -> dict[str, Any]:
        run = run_of(ctx, params)
        ctx.prompt(f"{PLUGIN}/create_coreset_view", params=_kept(params, run))
        return {"shown": 0}

    @event(AtBudget)
    def export(self, ctx: Any, params: AtBudget) -> dict[str, Any]:
        run = run_of(ctx, params)
        ctx.prompt(f"{PLUGIN}/export_coreset", params=_kept(params, run))
        return {"shown": 0}

    @event(Other)
    def compare(self, ctx: Any, params: Other) -> dict[str, Any]:
        run = run_of(ctx, params)
        kept = _kept(params, run)
        filled = {"first": kept["brain_key"], "second": params.other, "budget": kept["budget"]}
        ctx.prompt(f"{PLUGIN}/compare_coresets", params=filled)
        return {"shown": 0}

    @event(Nothing)
    def run_scores(self, ctx: Any, _: Nothing) -> dict[str, Any]:
        rows = next(iter(vectors_by_rows(ctx.dataset)), None)
        ctx.prompt(
            f"{PLUGIN}/compute_coreset_scores", params={"rows": rows} if rows else None, on_success=self.on_scored
        )
        return {"shown": 0}

    @event(Nothing)
    def compute_embeddings(self, ctx: Any, _: Nothing) -> dict[str, Any]:
        ctx.prompt(f"{PLUGIN}/compute_embeddings", on_success=self.on_scored)
        return {"shown": 0}

    def _open(self, ctx: Any, run: PanelRun, row_id: str) -> dict[str, Any]:
        sample_id = figures.sample_id_of(run, row_id)
        if sample_id is None or not len(run.results.rows().source.select(sample_id)):
            raise CoresetError(f"This {one(run.noun)} was deleted after the run.")
        shown = current_view(ctx)
        if run.are_frames and not shown._is_frames:
            return self._show(ctx, grid.ordered_view(run, [row_id]))
        if run.config.whole_groups:
            of_group = grid.ordered_view(run, [row_id])  # in the slice shown, which may lack it
            sample_id = of_group.first().id if len(of_group) else sample_id
        in_patches = run.config.patches_field is not None and (shown._is_patches or shown._is_frames)
        ctx.ops.open_sample(id=row_id if in_patches else sample_id)
        return {"shown": 1}

    def _show(self, ctx: Any, view: fo.DatasetView) -> dict[str, Any]:
        ctx.ops.set_view(view=view)
        return {"shown": len(view)}


def _kept(params: AtBudget, run: PanelRun) -> dict[str, str]:
    """What the forms of operators are filled with: the run, and how many of its images the budget keeps."""
    return {"brain_key": run.key, "budget": str(run.n_alive(_budget(params, run)))}


def _budget(params: AtBudget, run: PanelRun) -> int:
    if params.k > run.n:
        raise CoresetError(f"A budget of {params.k} does not fit run '{run.key}'; give 1 to {run.n:,}.")
    return params.k


def _row(params: OfRow, run: PanelRun) -> int:
    if params.row >= run.n:
        raise CoresetError(f"Run '{run.key}' has no row {params.row}.")
    return params.row


def _run_versions(dataset: fo.Dataset) -> dict[str, str]:
    return {key: version_of(dataset, key) for key in list_runs(dataset)}


def _summary(dataset: fo.Dataset, key: str, version: str) -> dict[str, Any]:
    config = dataset.get_brain_info(key).config
    return {
        "key": key,
        "version": version,
        "method": config.method,
        "embeddings": _embeddings_name(config.embeddings),
        "objects": config.patches_field,
        "n": config.n or 0,
    }


def _embeddings_name(fields: list[str] | None) -> str:
    return " + ".join(fields) if fields else "given vectors"


def _model_name(models: dict[str, Any]) -> str | None:
    """The embedding models in a few words."""
    return ", ".join(ClipSpec.of(record).model for record in models.values()) or None


def _digest(value: Any) -> str:
    return hashlib.sha1(json.dumps(value, sort_keys=True, default=str).encode(), usedforsecurity=False).hexdigest()[:16]
