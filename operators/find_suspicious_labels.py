"""Operator: find labels that look wrong."""

from __future__ import annotations

import fiftyone.operators.types as types
from pydantic import Field, field_validator

from ..plugin.door import FieldPath, name_like
from ..plugin.runs.suspicious_labels import flag_suspicious_labels
from ..plugin.selection.methods.clip_powered import check_threshold
from ..plugin.selection.methods.clip_powered.selector import ADAPTER
from . import class_texts_form
from .form import EmbeddedRows, chosen_embeddings, label_fields, option_type, require_free_view_name, target_rows
from .operator import Answer, CoresetOperator


class Params(class_texts_form.Texts, EmbeddedRows):
    """Which labels are checked, how, and where the finds are written."""

    label_field: FieldPath | None = Field(None, title="Label field", description="The labels to check")
    threshold: float = Field(
        0.5, title="Threshold",
        description="How probable it must be that a label is wrong; more gives fewer and surer finds",
    )  # fmt: skip
    name: name_like("suspicious") = Field("suspicious", title="Name of the view and its fields")  # type: ignore[valid-type]
    overwrite: bool = Field(False, title="Overwrite a view and fields of this name")
    adapter: option_type(ADAPTER) = Field("none", title=ADAPTER.label)  # type: ignore[valid-type]

    @field_validator("threshold")
    @classmethod
    def _probability(cls, threshold: float) -> float:
        check_threshold(threshold)
        return threshold


class FindSuspiciousLabels(CoresetOperator[Params]):
    """Saves a view of the samples, or objects, whose label looks wrong, and opens it."""

    name, label = "find_suspicious_labels", "Find suspicious labels"
    description = "Show images or objects that agree with another class than their label says"
    risk_level = types.RiskLevel.MEDIUM
    params = Params
    long_running = True
    answers = (("view", "Saved view"), ("suspicious", "Suspicious labels"))

    def fill(self, form):
        form.rows()
        form.embeddings()
        form.suggest("label_field", label_fields(form.dataset, form.params.rows), required=True)
        form.number("threshold")
        form.text("name")
        form.tick("overwrite")
        class_texts_form.add_inputs(form)
        form.option("adapter", ADAPTER, default="none")
        form.check(
            lambda: class_texts_form.check(form.dataset, form.params, chosen_embeddings(form.dataset, form.params)),
            lambda: require_free_view_name(form.dataset, form.params.name, form.params.overwrite),
        )

    def work(self, ctx, params, progress):
        class_texts_form.check_label_field(params)
        view = flag_suspicious_labels(
            target_rows(ctx, params),
            embeddings=chosen_embeddings(ctx.dataset, params),
            label_field=params.label_field,
            name=params.name,
            threshold=params.threshold,
            overwrite=params.overwrite,
            progress=progress,
            adapter=params.adapter,
            **class_texts_form.arguments(params),
        )
        description = ctx.dataset.get_saved_view_info(view.name)["description"]
        facts = {
            "view": view.name,
            "suspicious": len(view),
            "fields": [f"{params.name}_score", f"{params.name}_class"],
            "description": description,
        }
        steps = [ctx.ops.set_view(view=view)] if facts["suspicious"] else []
        return Answer(f"Saved the view '{view.name}': {description}.", facts, steps)

    def run_name(self, params):
        return f"suspicious labels of {params.label_field}"
