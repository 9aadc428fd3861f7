"""Class names into text embeddings: readable names, several prompts, one mean vector a class."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..vectors.matrix import normalized

#: The published prompt first, then wordings that vary what does not matter: distance, quality, article.
PROMPT_TEMPLATES = (
    "A photo of a {}",
    "a photo of the {}.",
    "a close-up photo of a {}.",
    "a blurry photo of a {}.",
    "a picture of one {}.",
    "an image of a {}.",
)

_WORDLESS = re.compile(r"n\d{8}|[\d\W_]+|(class|label|cls|category)[\s_-]*\d+|[0-9a-f]{24,}", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def readable_name(label: str) -> str:
    """A label as words: ``"SeaLake"`` and ``"sea_lake"`` become ``"sea lake"``; other spellings stay."""
    return " ".join(_CAMEL.sub(" ", label).replace("_", " ").split()).lower() if _is_code(label) else label


def class_names(labels: Sequence[Any], names: Mapping[Any, str] | None = None) -> dict[Any, str]:
    """What each label is called in the prompts.

    Args:
        labels: the distinct labels
        names (None): the user's own names for some or all labels, e.g. ``{"n02084071": "dog"}``

    Returns:
        a dict with one name for every label, in the order of ``labels``

    Raises:
        CoresetError: if ``names`` holds labels that do not occur, or a label without a name has no words in it, such
            as a number or a WordNet id
    """
    names = dict(names or {})
    unknown = set(names) - set(labels)
    if unknown:
        raise CoresetError(
            f"class_names: {len(unknown)} keys are not labels of this field, e.g. {min(unknown, key=str)!r}; "
            f"its labels are {_some(labels)}"
        )
    wordless = [label for label in labels if label not in names and _WORDLESS.fullmatch(str(label))]
    if wordless:
        raise CoresetError(
            f"class_names: {len(wordless)} of {len(labels)} labels have no words a text model could know, e.g. "
            f"{wordless[0]!r}; give their names, class_names={{{wordless[0]!r}: '...'}}"
        )
    return {label: names[label] if label in names else readable_name(str(label)) for label in labels}


def class_text_embeddings(
    names: Sequence[str],
    model: Any,
    tokenizer: Any,
    templates: Sequence[str] = PROMPT_TEMPLATES,
    device: str | None = None,
) -> np.ndarray:
    """Embeds class names: the mean of the unit embeddings of all prompts, at unit length.

    Args:
        names: C class names
        model: a CLIP model with ``encode_text``, e.g. from ``load_clip()``
        tokenizer: its tokenizer
        templates (PROMPT_TEMPLATES): prompts, each with one ``{}`` for the name
        device (None): torch device; by default that of the model

    Returns:
        (C, d) float32 unit text embeddings

    Raises:
        CoresetError: if the model has no text tower or a template is unusable
    """
    import torch

    if not hasattr(model, "encode_text"):
        raise CoresetError(
            f"{type(model).__name__} has no text tower to compare images with class texts; embed with a CLIP model "
            "such as 'coreset-mini' or 'ViT-B-32', or use a method without texts, see list_methods()"
        )
    templates = [templates] if isinstance(templates, str) else list(templates)
    for template in templates or [""]:
        if template.count("{}") != 1 or template.replace("{}", "").count("{"):
            raise CoresetError(f"templates: {template!r} must hold one '{{}}' for the class name")
    own = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    embedded = []
    with torch.inference_mode():
        for name in names:
            tokens = tokenizer([template.replace("{}", name) for template in templates]).to(device or own)
            prompts = model.encode_text(tokens).float().cpu().numpy().astype(np.float32)
            embedded.append(normalized(prompts).mean(axis=0))
    return normalized(np.stack(embedded))


def _is_code(label: str) -> bool:
    return "_" in label or bool(_CAMEL.search(label))


def _some(labels: Sequence[Any], count: int = 5) -> str:
    shown = ", ".join(repr(label) for label in list(labels)[:count])
    return shown + (", ..." if len(labels) > count else "")
