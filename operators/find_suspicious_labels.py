"""Operator: find labels that look wrong."""

from __future__ import annotations

from typing import Any

import fiftyone.operators as foo
import fiftyone.operators.types as types

from ..plugin.errors import CoresetError
from ..plugin.runs.suspicious_labels import flag_suspicious_labels
from ..plugin.selection.methods.clip_powered import check_threshold
from ..plugin.selection.methods.clip_powered.selector import ADAPTER
from . import class_texts_form, forms
from .configs import operator_config
from .streaming import run_with_progress

_DEFAULT_NAME = "suspicious"
_THRESHOLD = 0.5
_ADAPTER = "none"


class FindSuspiciousLabels(foo.Operator):
    """Saves a view of the samples, or objects, whose label looks wrong, and opens it."""

    @property
    def config(self):
        return operator_config(
            "find_suspicious_labels",
            "Find suspicious labels",
            "Show images or objects that agree with another class than their label says",
            types.RiskLevel.MEDIUM,
            long_running=True,
        )

    def resolve_input(self, ctx):
        inputs = types.Object()
        ctx.target_view()  # adds the choice of the target view to the form
        forms.choose_rows(ctx, inputs)
        vectors = forms.vector_fields(ctx)
        forms.suggest(inputs, "embeddings", vectors, forms.default_embeddings(vectors), label="Embeddings field")
        forms.suggest(
            inputs, "label_field", forms.label_fields(ctx), None, label="Label field", required=True,
            description="The labels to check",
        )  # fmt: skip
        inputs.float(
            "threshold", default=_THRESHOLD, min=0, max=1, label="Threshold",
            description="How probable it must be that a label is wrong; more gives fewer and surer finds",
        )  # fmt: skip
        inputs.str("name", default=_DEFAULT_NAME, label="Name of the view and its fields")
        inputs.bool("overwrite", default=False, label="Overwrite a view and fields of this name")
        class_texts_form.add_inputs(ctx, inputs)
        forms.ask_option(inputs, "adapter", ADAPTER, _ADAPTER)
        try:
            forms.check_embeddings(ctx)
            class_texts_form.check(ctx, forms.chosen_embeddings(ctx))
            _check_name(ctx)
            check_threshold(_threshold(ctx))
        except CoresetError as error:
            forms.refuse(inputs, str(error))
        return types.Property(inputs, view=types.View(label="Find suspicious labels"))

    def execute(self, ctx):
        return run_with_progress(ctx, lambda report: _find(ctx, report), then=lambda: _open(ctx))


def _name(ctx: Any) -> str:
    return ctx.params.get("name") or _DEFAULT_NAME


def _threshold(ctx: Any) -> float:
    threshold = ctx.params.get("threshold")
    return _THRESHOLD if threshold is None else threshold


def _check_name(ctx: Any) -> None:
    name = _name(ctx)
    if name in ctx.dataset.list_saved_views() and not ctx.params.get("overwrite"):
        raise CoresetError(f"a saved view '{name}' exists; choose another name or tick 'Overwrite'")


def _open(ctx: Any) -> Any:
    """Shows the view in the grid, unless there is nothing in it."""
    view = ctx.dataset.load_saved_view(_name(ctx))
    return ctx.ops.set_view(view=view) if len(view) else None


def _find(ctx: Any, report: Any) -> str:
    params = ctx.params
    view = flag_suspicious_labels(
        forms.target_rows(ctx),
        embeddings=forms.chosen_embeddings(ctx),
        label_field=params["label_field"],
        name=_name(ctx),
        threshold=_threshold(ctx),
        overwrite=bool(params.get("overwrite")),
        progress=report,
        adapter=params.get("adapter") or _ADAPTER,
        **class_texts_form.arguments(ctx),
    )
    return f"Saved the view '{view.name}': {ctx.dataset.get_saved_view_info(view.name)['description']}."
