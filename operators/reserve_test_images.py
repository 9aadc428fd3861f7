"""Operator: reserve test images for labelling rounds."""

from __future__ import annotations

import fiftyone.operators.types as types
from pydantic import Field

from ..plugin.door import FieldPath, Seed, Tag
from ..plugin.rounds.reserve import accuracy_error, reserve_test
from .form import Rows, target_rows
from .operator import Answer, CoresetOperator

#: An accuracy to show the standard error at, which hardly depends on it.
_EXAMPLE = 0.8


class Params(Rows):
    """How many, and the tag they get."""

    size: int = Field(500, ge=1, le=1_000_000, title="Test images")
    tag: Tag = Field("test", title="Tag")
    by: FieldPath | None = Field(
        None, title="In proportion by", description="Optional: a field whose values keep their share, e.g. the camera"
    )
    seed: Seed = Field(0, title="Random seed")


class ReserveTestImages(CoresetOperator[Params]):
    """Tags a random set of images and opens it."""

    name, label = "reserve_test_images", "Reserve test images"
    description = "Draw random images to judge models on; labelling rounds never ask for them"
    risk_level = types.RiskLevel.MEDIUM
    params = Params
    long_running = True
    answers = (("reserved", "Test images"),)

    def fill(self, form):
        form.rows()
        form.whole_number("size")
        error = accuracy_error(_EXAMPLE, form.params.size)
        form.say("error", f"An accuracy of {_EXAMPLE:.0%} on them is known to ± {100 * error:.1f} points (SE)")
        form.text("tag")
        form.text("by")
        form.whole_number("seed")

    def work(self, ctx, params, progress):
        view = reserve_test(target_rows(ctx, params), params.size, params.tag, params.by, params.seed)
        message = f"{len(view):,} test images carry the tag '{params.tag}'. Label them once; no round asks for them."
        steps = [ctx.ops.reload_dataset(), ctx.ops.set_view(view=view)]
        return Answer(message, {"reserved": len(view), "tag": params.tag}, steps)

    def run_name(self, params):
        return f"{params.size:,} test images"
