"""Operator: split images into training, validation and test parts."""

from __future__ import annotations

from typing import Any

import fiftyone.operators.types as types
from pydantic import Field

from ..plugin.dataset.names import require_free_field
from ..plugin.dataset.rows import Rows
from ..plugin.dataset.tags import require_tags
from ..plugin.door import FieldPath, NewField, Seed
from ..plugin.errors import CoresetError
from .form import IMAGES, EmbeddedRows, chosen_embeddings, chosen_rows, group_fields, label_fields, target_rows
from .operator import Answer, CoresetOperator

_PARTS = ("train", "val", "test")


class Params(EmbeddedRows):
    """How large the parts are, what stays together, and where they are written."""

    train: float = Field(80, ge=0, le=100, title="Training, percent")
    val: float = Field(10, ge=0, le=100, title="Validation, percent")
    test: float = Field(10, ge=0, le=100, title="Test, percent")
    label_field: FieldPath | None = Field(None, title="Label field", description="Its classes are in every part")
    groups: FieldPath | None = Field(
        None, title="Keep together by", description="A field, e.g. of patients or recordings"
    )
    tag: bool = Field(True, title="Tag them 'train', 'val' and 'test'")
    field: NewField | None = Field(None, title="Write the part to a field", description="e.g. 'split'")
    overwrite: bool = Field(False, title="Overwrite tags and a field of these names")
    seed: Seed = Field(0, title="Seed", description="The same seed gives the same split")


class SplitByCoverage(CoresetOperator[Params]):
    """Splits a view into parts that share nothing and each look like the whole."""

    name, label = "split_by_coverage", "Split by coverage"
    description = (
        "Split into training, validation and test parts that share no near-copies and each look like the whole"
    )
    risk_level = types.RiskLevel.MEDIUM
    params = Params
    long_running = True
    answers = (("train", "Training"), ("val", "Validation"), ("test", "Test"))

    def fill(self, form):
        form.rows()
        form.embeddings()
        for name in _PARTS:
            form.number(name)
        rows = chosen_rows(form.dataset, form.params)
        form.suggest("label_field", label_fields(form.dataset, rows))
        form.suggest("groups", group_fields(form.dataset, rows))
        form.tick("tag")
        form.text("field")
        form.tick("overwrite")
        form.whole_number("seed")
        form.check(
            lambda: _fractions(form.params),
            lambda: _check(form.dataset, form.params),
            lambda: chosen_embeddings(form.dataset, form.params),
        )

    def work(self, ctx, params, progress):
        from ..plugin.runs.split import split_by_coverage

        _check(ctx.dataset, params)
        found = split_by_coverage(
            target_rows(ctx, params),
            _fractions(params),
            chosen_embeddings(ctx.dataset, params),
            groups=params.groups,
            label_field=params.label_field,
            tag=params.tag,
            field=params.field,
            overwrite=params.overwrite,
            seed=params.seed,
            progress=progress,
        )
        facts = {**{name: len(ids) for name, ids in found.parts.items()}, "comparison": found.to_markdown()}
        return Answer(found.summary(), facts, [ctx.ops.reload_dataset()])

    def run_name(self, params):
        return f"split {params.train:g}, {params.val:g}, {params.test:g}"


def _fractions(params: Params) -> dict[str, float]:
    """The shares of the parts; one of 0 percent is left out."""
    percent = {name: getattr(params, name) for name in _PARTS}
    total = sum(percent.values())
    if abs(total - 100) > 1e-6:
        raise CoresetError(f"the parts add up to {total:g} percent; they must add up to 100")
    shares = {name: value / 100 for name, value in percent.items() if value}
    if len(shares) < 2:
        raise CoresetError("a split has two parts at least; give another one more than 0 percent")
    return shares


def _check(dataset: Any, params: Params) -> None:
    """Refuses a split that would be written nowhere, or over a field that exists."""
    if not params.tag and params.field is None:
        raise CoresetError("the split would be written nowhere; tick the tags, or name a field")
    chosen = chosen_rows(dataset, params)
    rows = Rows(dataset, None if chosen == IMAGES else chosen)
    if params.tag:
        require_tags(rows)
    if params.field is not None:
        require_free_field(rows, params.field, params.overwrite)
