"""Form fields of methods that compare images with class texts: what the classes are called, and the prompts."""

from __future__ import annotations

from typing import Any

import fiftyone as fo
import fiftyone.operators.types as types

from ..plugin.dataset.rows import Rows
from ..plugin.embeddings.class_texts import recorded_clip
from ..plugin.embeddings.text import PROMPT_TEMPLATES, class_names
from ..plugin.errors import CoresetError
from . import forms

#: More classes than this are not listed for editing.
_MAX_LISTED = 1000


def add_inputs(ctx: Any, inputs: types.Object) -> None:
    """Names and prompts."""
    labels = _labels(ctx)
    if 0 < len(labels) <= _MAX_LISTED:
        lines = "\n".join(f"{label}: {_suggestion(label)}" for label in labels)
        inputs.str(
            "class_names", default=lines, label="What the classes are called",
            description="One 'label: name' a line; the name is what an image is compared with",
            view=_several_lines(),
        )  # fmt: skip
    inputs.str(
        "templates", default="\n".join(PROMPT_TEMPLATES), label="Prompts",
        description="One a line, with {} for the name; their embeddings are averaged",
        view=_several_lines(),
    )  # fmt: skip


def arguments(ctx: Any) -> dict[str, Any]:
    """The arguments that :func:`add_inputs` asks for, as the library takes them."""
    params = ctx.params
    templates = [line.strip() for line in (params.get("templates") or "").splitlines() if line.strip()]
    return {
        "class_names": _names(params.get("class_names") or "") or None,
        "templates": templates or None,
    }


def check(ctx: Any, embeddings: list[str]) -> None:
    """Refuses what cannot work, before any model is loaded."""
    if not ctx.params.get("label_field"):
        raise CoresetError("Choose the label field whose labels the images are to agree with")
    if _label_path(ctx) is None:
        raise CoresetError(f"'{ctx.params['label_field']}' holds no single label; choose a classification or a string")
    labels = _labels(ctx)
    if not labels:
        raise CoresetError(f"'{ctx.params['label_field']}' holds no label yet")
    if (ctx.params.get("rows") or forms.IMAGES) == forms.IMAGES:
        recorded_clip(Rows(ctx.dataset), embeddings)
    class_names(labels, arguments(ctx)["class_names"])


def _several_lines() -> types.TextFieldView:
    return types.TextFieldView(componentsProps={"field": {"multiline": True, "maxRows": 12}})


def _label_path(ctx: Any) -> str | None:
    """The path of the chosen labels, or None if the field holds no single label."""
    rows = ctx.params.get("rows") or forms.IMAGES
    field = ctx.params.get("label_field") or ""
    path = field if rows == forms.IMAGES else f"{ctx.dataset._get_label_field_path(rows)[1]}.{field}"
    found = ctx.dataset.get_field(path) if field else None
    if isinstance(found, fo.EmbeddedDocumentField) and found.document_type is fo.Classification:
        return f"{path}.label"
    return path if isinstance(found, fo.StringField) else None


def _labels(ctx: Any) -> list[str]:
    path = _label_path(ctx)
    return sorted(label for label in ctx.dataset.distinct(path) if label) if path else []


def _suggestion(label: str) -> str:
    try:
        return class_names([label])[label]
    except CoresetError:
        return ""


def _names(lines: str) -> dict[str, str]:
    pairs = (line.rpartition(":") for line in lines.splitlines() if ":" in line)
    return {label.strip(): name.strip() for label, _, name in pairs if name.strip()}
