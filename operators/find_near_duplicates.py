"""Operator: find groups of images that show the same."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import fiftyone.operators.types as types
from pydantic import Field

from ..plugin.dataset.decisions import read_decisions
from ..plugin.door import FieldPath
from .form import EmbeddedRows, chosen_embeddings, target_rows
from .operator import Answer, CoresetOperator

#: Images of the view that opens; it names them in their order, so it stays short.
_MOST_SHOWN = 1_000

_KINDS = {
    "copies": "Copies, told by the pixels",
    "exact": "Exact copies only",
    "look-alikes": "Look-alikes: close to the model, not proven to be copies",
    "all": "Copies and look-alikes",
}
_OF = {
    "copies": ("exact", "near-copy"),
    "exact": ("exact",),
    "look-alikes": ("look-alike",),
    "all": ("exact", "near-copy", "look-alike"),
}
_PREFER = {
    "central": "the most typical one",
    "sharpest": "the sharpest",
    "largest": "the largest",
    "newest": "the newest",
    "labelled": "a labelled one",
}


class Params(EmbeddedRows):
    """Which images, what counts, and which one of a group comes first."""

    kinds: Literal["copies", "exact", "look-alikes", "all"] = Field("copies", title="What to find")
    prefer: FieldPath = Field(
        "central", title="First of each group",
        description=f"{', '.join(f'{name} ({words})' for name, words in _PREFER.items())}, or a field of numbers or "
        "dates, whose highest value wins",
    )  # fmt: skip


class FindNearDuplicates(CoresetOperator[Params]):
    """Finds groups of near-duplicates and opens them."""

    name, label = "find_near_duplicates", "Find near-duplicates"
    description = "Find images or objects that show the same, and open them group after group"
    risk_level = types.RiskLevel.LOW
    params = Params
    long_running = True
    answers = (("groups", "Groups"), ("redundant", "Repeat another one"), ("shown", "Shown"))

    def fill(self, form):
        form.rows()
        form.embeddings()
        form.choose("kinds", _KINDS)
        form.suggest("prefer", _PREFER)
        form.check(lambda: chosen_embeddings(form.dataset, form.params))

    def work(self, ctx, params, progress):
        from ..plugin.runs.near_duplicates import near_duplicates

        near = near_duplicates(
            target_rows(ctx, params),
            chosen_embeddings(ctx.dataset, params),
            prefer=params.prefer,
            progress=progress,
        )
        decisions = read_decisions(ctx.dataset)
        groups = [
            (kind, part)
            for kind, group in zip(near.kinds, near.groups, strict=True)
            if kind in _OF[params.kinds]
            for part in decisions.regrouped(group)
        ]
        total = sum(len(part) for _, part in groups)
        facts = {
            "groups": len(groups),
            "redundant": total - len(groups),
            "shown": min(total, _MOST_SHOWN),
            "kinds": dict(Counter(kind for kind, _ in groups)),
            "false_alarm_rate": near.false_alarm_rate,
        }
        ids = [row_id for _, part in groups for row_id in part][:_MOST_SHOWN]
        steps = [ctx.ops.set_view(view=near.samples.select(ids, ordered=True))] if ids else []
        cut = total > _MOST_SHOWN
        first = f" The first {facts['shown']:,} {near.noun} are shown." if cut else ""
        return Answer(f"{near.summary()}{first}", facts, steps)

    def run_name(self, params):
        return f"near-duplicates by {', '.join(params.embeddings or [])}".strip()
