"""Text embeddings of a label field's classes, from the model that embedded the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dataset.embeddings import EmbeddingSource
from ..dataset.rows import Rows
from ..errors import CoresetError

if TYPE_CHECKING:
    from .record import ClipSpec

_WITHOUT_TEXT = "or use a method without texts, see list_methods()"


def with_class_texts(
    rows: Rows, embeddings: Any, labels: Sequence[str | None] | None, method_kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments of a method that compares images with class texts, with these in place of names and templates.

    Args:
        rows: the rows
        embeddings: the field that holds the image embeddings
        labels: the label of each row, or None if no label field was given
        method_kwargs: the arguments as given; ``text_embeddings`` among them is left as it is

    Returns:
        the arguments with ``text_embeddings``, a mapping from label to vector, and without names and templates

    Raises:
        CoresetError: if there are no labels, or no texts for them
    """
    if labels is None:
        raise CoresetError(
            "without labels images have no class texts to agree with; give label_field=, " + _WITHOUT_TEXT
        )
    options = dict(method_kwargs)
    names, templates = options.pop("class_names", None), options.pop("templates", None)
    if options.get("text_embeddings") is None:
        options["text_embeddings"] = class_texts(rows, embeddings, labels, names, templates)
    return options


def class_texts(
    rows: Rows,
    embeddings: Any,
    labels: Sequence[str | None],
    class_names: Mapping[str, str] | None = None,
    templates: Sequence[str] | None = None,
) -> dict[str, np.ndarray]:
    """Embeds the names of all classes that occur.

    Args:
        rows: the rows
        embeddings: the field that holds the image embeddings; it remembers its model
        labels: the label of each row, or None
        class_names (None): what to call labels in the prompts, for labels that are no words
        templates (None): prompts with one ``{}`` for the name; by default a handful of plain ones

    Returns:
        a mapping from label to (d,) float32 unit text embedding

    Raises:
        CoresetError: if the field's model is unknown or changed, has no text tower, or a label has no words
    """
    from .text import PROMPT_TEMPLATES, class_text_embeddings
    from .text import class_names as named

    present = sorted({label for label in labels if label})
    if not present:
        raise CoresetError(
            f"none of the {len(labels)} {rows.noun} has a label to agree with; label some, {_WITHOUT_TEXT}"
        )
    names = named(present, class_names)
    model, tokenizer = _text_model(rows, embeddings)
    texts = class_text_embeddings(list(names.values()), model, tokenizer, templates or PROMPT_TEMPLATES)
    return dict(zip(names, texts, strict=True))


def recorded_clip(rows: Rows, embeddings: Any) -> ClipSpec:
    """The CLIP model that an embeddings field remembers.

    Args:
        rows: the rows
        embeddings: the field

    Returns:
        the model and its weights

    Raises:
        CoresetError: if there is not exactly one field, or it does not say which model made it
    """
    from .record import OPEN_CLIP, ClipSpec, record_of

    fields = EmbeddingSource.of(embeddings).fields
    if fields is None or len(fields) != 1:
        given = "an array" if fields is None else f"{len(fields)} fields"
        raise CoresetError(
            f"embeddings: images are compared with class texts of the same model, but {given} came in; "
            f"give one field, or text_embeddings={{label: vector}}, {_WITHOUT_TEXT}"
        )
    record = record_of(rows, fields[0])
    if record is None:
        raise CoresetError(
            f"field '{rows.path(fields[0])}' does not say which model made it, so there is no text tower to ask; "
            f"embed with compute_embeddings() and a CLIP model such as 'coreset-mini' or 'ViT-B-32', or give "
            f"text_embeddings={{label: vector}}, {_WITHOUT_TEXT}"
        )
    spec = ClipSpec.of(record)
    if spec.library != OPEN_CLIP:
        raise CoresetError(
            f"field '{rows.path(fields[0])}' was made by {spec}, a model of FiftyOne's whose texts are not read here; "
            f"give text_embeddings={{label: vector}}, {_WITHOUT_TEXT}"
        )
    return spec


def _text_model(rows: Rows, embeddings: Any) -> tuple[Any, Any]:
    """The model recorded with the field, and its tokenizer."""
    from .clip import load_clip, resolve_clip

    spec = recorded_clip(rows, embeddings)
    if not resolve_clip(spec.model, spec.pretrained, spec.checkpoint).same_weights(spec):
        field = " + ".join(EmbeddingSource.of(embeddings).fields or ())
        raise CoresetError(f"the weights of {spec} changed since '{field}' was embedded; embed it again")
    model, _, tokenizer = load_clip(spec.model, spec.pretrained, spec.checkpoint)
    return model, tokenizer
