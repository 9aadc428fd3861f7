"""The panel's events about labelling rounds: what is shown of a campaign, and the forms that carry it on."""

from __future__ import annotations

import uuid
from typing import Any

from pydantic import Field

from ..plugin.dataset.predictions import prediction_fields
from ..plugin.dataset.shown import view_of
from ..plugin.rounds.load import load_rounds
from ..plugin.rounds.read_model import HEAD
from ..plugin.rounds.texts import TEXTS
from . import grid, rounds
from .events import PLUGIN, OfRun, event


class OfMetric(OfRun):
    """Which curve of a campaign, and what is to be reached."""

    metric: str = Field(max_length=200)
    target: float | None = Field(None, gt=0, lt=1, title="target")


class OfRound(OfRun):
    """An event about one round; 0 for what was labelled before the first."""

    number: int = Field(ge=0, title="round")


class OfSpot(OfRun):
    """An event about a weak spot that was found before."""

    version: str = Field(max_length=100)
    place: int = Field(ge=0, title="weak spot")


class LeaveOut(OfSpot):
    """Which tag leaves the images of a weak spot out."""

    tag: str = Field(min_length=1, max_length=200)


class RoundEvents:
    """The events; a part of the panel. Their key is the name of a campaign."""

    @event(OfRun)
    def load_campaign(self, ctx: Any, params: OfRun) -> dict[str, Any]:
        return rounds.campaign_payload(load_rounds(ctx.dataset, params.key))

    @event(OfMetric)
    def load_learning_curve(self, ctx: Any, params: OfMetric) -> dict[str, Any]:
        return rounds.curve_payload(load_rounds(ctx.dataset, params.key), params.metric, params.target)

    @event(OfRun)
    def load_weak_spots(self, ctx: Any, params: OfRun) -> dict[str, Any]:
        return rounds.find_spots(load_rounds(ctx.dataset, params.key)).payload()

    @event(OfRound)
    def show_round(self, ctx: Any, params: OfRound) -> dict[str, Any]:
        view = load_rounds(ctx.dataset, params.key).view(params.number)
        ctx.ops.set_view(view=view)
        return {"shown": len(view)}

    @event(OfSpot)
    def show_weak_spot(self, ctx: Any, params: OfSpot) -> dict[str, Any]:
        known = rounds.same_spots(ctx.dataset, params.key, params.version)
        ids, results = known.ids(params.place), known.results
        if len(ids) > grid.MAX_IDS:
            ctx.ops.notify(f"Showing {grid.MAX_IDS:,} of {len(ids):,} {results.noun}, the least certain first.")
        view = view_of(results.rows(), ids[: grid.MAX_IDS], ordered=True)
        ctx.ops.set_view(view=view)
        return {"shown": len(view)}

    @event(LeaveOut)
    def leave_out_spot(self, ctx: Any, params: LeaveOut) -> dict[str, Any]:
        tagged = rounds.same_spots(ctx.dataset, params.key, params.version).leave_out(params.place, params.tag)
        ctx.ops.reload_samples()
        return {"tagged": tagged}

    @event(OfSpot)
    def bring_back_spot(self, ctx: Any, params: OfSpot) -> dict[str, Any]:
        tagged = rounds.same_spots(ctx.dataset, params.key, params.version).bring_back(params.place)
        ctx.ops.reload_samples()
        return {"tagged": tagged}

    @event(OfRun)
    def select_batch(self, ctx: Any, params: OfRun) -> dict[str, Any]:
        campaign = load_rounds(ctx.dataset, params.key)
        config, last = campaign.config, campaign.last
        fields = prediction_fields(ctx.dataset, but=config.label_field)
        by_texts = config.predictions == TEXTS
        filled = {
            "brain_key": params.key,
            "label_field": config.label_field,
            "rows": config.patches_field,
            "embeddings": config.embeddings,
            "predictions": config.predictions if by_texts or config.predictions in fields else HEAD,
            "classes": "\n".join(last.classes) if by_texts and last else None,
            "test": config.test,
            "skip": ", ".join(config.skip),
        }
        ctx.prompt(
            f"{PLUGIN}/select_next_batch",
            params={name: value for name, value in filled.items() if value},
            on_success=self.on_round,
        )
        return {"shown": 0}

    @event(OfRound)
    def record_batch(self, ctx: Any, params: OfRound) -> dict[str, Any]:
        load_rounds(ctx.dataset, params.key)
        filled = {"brain_key": params.key, "number": params.number}
        ctx.prompt(f"{PLUGIN}/record_labelling_round", params=filled, on_success=self.on_round)
        return {"shown": 0}

    def on_round(self, ctx: Any) -> None:
        """A round was begun or recorded: look at the campaigns again."""
        ctx.panel.set_data("runs_version", uuid.uuid4().hex)
