"""Operator: what of one set has nothing like it in another, and what is in both."""

from __future__ import annotations

from typing import Any, Literal

import fiftyone.operators.types as types
from pydantic import Field

from ..plugin.dataset.named_sets import load_set, named_sets
from ..plugin.door import FieldPath, Tag
from ..plugin.errors import CoresetError
from ..plugin.request import dataset_of
from .form import IMAGES, EmbeddedRows, chosen_embeddings, label_fields, object_fields
from .operator import Answer, CoresetOperator

#: Images of the view that opens; it names them in their order, so it stays short.
_MOST_SHOWN = 1_000

_SHOWN = {
    "uncovered": "What of the second has nothing like it in the first, most uncovered first",
    "reverse": "What of the first has nothing like it in the second",
    "leaks": "What of the second repeats one of the first (near-copies)",
    "nothing": "Leave the grid as it is",
}


class Params(EmbeddedRows):
    """Which two sets, and what to show of them."""

    first: Tag | None = Field(None, title="First set", description="e.g. what a model is trained on")
    second: Tag | None = Field(None, title="Second set", description="e.g. where the model is used")
    label_field: FieldPath | None = Field(None, title="Label field", description="To see which classes are uncovered")
    show: Literal["uncovered", "reverse", "leaks", "nothing"] = Field("uncovered", title="Then show")


class CompareTwoSets(CoresetOperator[Params]):
    """Asks whether one set of images covers another one."""

    name, label = "compare_two_sets", "Compare two sets"
    description = "See whether training images cover those of deployment, what is uncovered, and what is in both"
    risk_level = types.RiskLevel.LOW
    params = Params
    long_running = True
    answers = (("uncovered", "Uncovered"), ("leaks", "Leaks"))

    def fill(self, form):
        objects = object_fields(form.dataset)
        if objects:
            form.choose("rows", {IMAGES: "Images"} | {field: f"Objects in '{field}'" for field in objects})
        form.embeddings()
        names = named_sets(form.dataset)
        form.suggest("first", names, required=True)
        form.suggest("second", names, required=True)
        form.suggest("label_field", label_fields(form.dataset, form.params.rows))
        form.choose("show", _SHOWN)
        form.check(lambda: _sets(form.dataset, form.params), lambda: chosen_embeddings(form.dataset, form.params))

    def work(self, ctx, params, progress):
        from ..plugin.runs.compare_sets import compare_sets

        dataset = dataset_of(ctx)
        compared = compare_sets(
            *_sets(dataset, params),
            chosen_embeddings(dataset, params),
            label_field=params.label_field,
            names=(params.first, params.second),
            progress=progress,
        )
        leaks = compared.leaks()
        facts = {
            "uncovered": len(compared.of_b.uncovered),
            "leaks": len(leaks),
            "comparison": compared.to_markdown(),
            "report": compared.to_dict(),
        }
        steps = []
        if params.show != "nothing":
            shown = leaks if params.show == "leaks" else compared.uncovered_view("ba"[params.show == "reverse"])
            steps = [ctx.ops.set_view(view=shown.limit(_MOST_SHOWN))]
        return Answer(compared.summary(), facts, steps)

    def run_name(self, params):
        return f"'{params.first}' against '{params.second}'" if params.first and params.second else self.label


def _sets(dataset: Any, params: Params) -> list[Any]:
    """The two sets of the form, as patches if objects were chosen."""
    if params.first is None or params.second is None:
        raise CoresetError("choose two sets: a saved view, a tag, or the value of a field each")
    if params.first == params.second:
        raise CoresetError("choose two different sets")
    found = [load_set(dataset, name) for name in (params.first, params.second)]
    if params.rows == IMAGES:
        return found
    if params.rows not in object_fields(dataset):
        raise CoresetError(f"'{params.rows}' holds no objects of this dataset")
    return [one.to_patches(params.rows) for one in found]
