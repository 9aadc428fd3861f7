"""Form fields of methods that compare images with class texts: what the classes are called, and the prompts."""

from __future__ import annotations

from typing import Any

import fiftyone as fo
from pydantic import Field

from ..plugin.dataset.rows import Rows
from ..plugin.door import Lines, Parameters
from ..plugin.embeddings.class_texts import recorded_clip
from ..plugin.embeddings.text import PROMPT_TEMPLATES, class_names
from ..plugin.errors import CoresetError
from .form import IMAGES, Form, path_of

#: More classes than this are not listed for editing.
_MAX_LISTED = 1000


class Texts(Parameters):
    """What the classes are called, and the prompts."""

    class_names: Lines | None = Field(
        None, title="What the classes are called",
        description="One 'label: name' a line; the name is what an image is compared with",
    )  # fmt: skip
    templates: Lines | None = Field(
        None, title="Prompts", description="One a line, with {} for the name; their embeddings are averaged"
    )


def add_inputs(form: Form) -> None:
    """Names and prompts."""
    labels = _labels(form.dataset, form.params)
    if 0 < len(labels) <= _MAX_LISTED:
        form.lines("class_names", default="\n".join(f"{label}: {_suggestion(label)}" for label in labels))
    form.lines("templates", default="\n".join(PROMPT_TEMPLATES))


def arguments(params: Texts) -> dict[str, Any]:
    """The arguments that :func:`add_inputs` asks for, as the library takes them."""
    templates = [line.strip() for line in (params.templates or "").splitlines() if line.strip()]
    return {
        "class_names": _names(params.class_names or "") or None,
        "templates": templates or None,
    }


def check_label_field(params: Any) -> None:
    """Refuses to work without a label field."""
    if not params.label_field:
        raise CoresetError("Choose the label field whose labels the images are to agree with")


def check(dataset: fo.Dataset, params: Any, embeddings: list[str]) -> None:
    """Refuses what cannot work, before any model is loaded."""
    check_label_field(params)
    if _label_path(dataset, params) is None:
        raise CoresetError(f"'{params.label_field}' holds no single label; choose a classification or a string")
    labels = _labels(dataset, params)
    if not labels:
        raise CoresetError(f"'{params.label_field}' holds no label yet")
    if params.rows == IMAGES:
        recorded_clip(Rows(dataset), embeddings)
    class_names(labels, arguments(params)["class_names"])


def _label_path(dataset: fo.Dataset, params: Any) -> str | None:
    """The path of the chosen labels, or None if the field holds no single label."""
    path = path_of(dataset, params.rows, params.label_field or "")
    found = dataset.get_field(path) if params.label_field else None
    if isinstance(found, fo.EmbeddedDocumentField) and found.document_type is fo.Classification:
        return f"{path}.label"
    return path if isinstance(found, fo.StringField) else None


def _labels(dataset: fo.Dataset, params: Any) -> list[str]:
    path = _label_path(dataset, params)
    return sorted(label for label in dataset.distinct(path) if label) if path else []


def _suggestion(label: str) -> str:
    try:
        return class_names([label])[label]
    except CoresetError:
        return ""


def _names(lines: str) -> dict[str, str]:
    pairs = (line.rpartition(":") for line in lines.splitlines() if ":" in line)
    return {label.strip(): name.strip() for label, _, name in pairs if name.strip()}
