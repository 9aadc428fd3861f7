"""A first model without any label: class names, as the text tower of the model that embedded the images reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..dataset.embeddings import Embeddings
from ..embeddings.class_texts import class_texts
from ..errors import CoresetError
from ..selection.predictions import Predictions, uncertainty
from ..vectors.matrix import blocks, normalized
from .model import RoundModel, light_head
from .standing import Standing

#: The value of ``predictions`` that asks for class texts; no field has a name like that.
TEXTS = "class texts"

#: What CLIP models multiply cosines with before the softmax (Radford et al., ICML 2021).
_SCALE = 100.0
_BLOCK_ROWS = 16_384


def text_model(
    standing: Standing,
    found: Embeddings,
    embeddings: Any,
    classes: Sequence[str] | Mapping[str, str] | None,
    label_field: str,
    seed: int = 0,
) -> RoundModel:
    """Class probabilities from texts, which labels replace little by little: of l labels a class they count 1/(1 + l).

    Args:
        standing: the rows and their labels
        found: their embeddings
        embeddings: the field of the embeddings, which remembers the CLIP model that made it
        classes: names of the classes, or label -> words where labels are no words; by default those of the dataset for
            the label field, and those labelled
        label_field: where labels are
        seed (0): the random seed of the light head

    Returns:
        the model

    Raises:
        CoresetError: if fewer than two classes are known, names have no words, or the field's model has no text tower
    """
    rows = standing.rows
    known = classes or rows.dataset.classes.get(label_field) or rows.dataset.default_classes or []
    names = list(dict.fromkeys([*map(str, known), *standing.labels_per_class]))
    if len(names) < 2:
        raise CoresetError(
            f"predictions='{TEXTS}' needs the names of at least two classes; give classes=, or set "
            f"dataset.classes['{label_field}']"
        )
    vectors = class_texts(rows, embeddings, names, classes if isinstance(classes, Mapping) else None)
    P = text_probabilities(found.matrix, np.stack([vectors[name] for name in names]))
    head = light_head(standing, found, seed)
    shown, off_topic, share, facts = P, None, 1.0, {}
    if head.head is not None:
        share = 1 / (1 + int(standing.labelled.sum()) / len(names))
        P = blended(P, names, head.head.predictions(found.matrix), share)
        shown = blended(shown, names, head.head.predictions(found.matrix, calibrated=True), share)
        off_topic, facts = head.head.off_topic_probability(found.matrix), head.facts
    missing = ~found.valid
    said = replace(Predictions.from_probabilities(P, names, missing=missing), off_topic=off_topic)
    calibrated = Predictions.from_probabilities(shown, names, missing=missing)
    note = f"class texts of {len(names):,} classes count {share:.0%} in the predictions, the light head the rest"
    return RoundModel(
        said,
        calibrated.confidence,
        uncertainty(calibrated, "entropy"),
        None,
        TEXTS,
        {"text_share": share, **facts},
        [note, *(head.notes if head.head is not None else [])],
    )


def text_probabilities(matrix: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Class probabilities by the similarity of images and texts.

    Args:
        matrix: (n, d) image embeddings
        texts: (C, d) unit text embeddings of the same model

    Returns:
        (n, C) float32, the softmax of 100 times the cosines
    """
    from scipy.special import softmax

    P = np.empty((len(matrix), len(texts)), dtype=np.float32)
    for rows in blocks(len(matrix), _BLOCK_ROWS):
        with np.errstate(invalid="ignore"):
            P[rows] = softmax(_SCALE * normalized(matrix[rows].astype(np.float32)) @ texts.T, axis=1)
    return P


def blended(P: np.ndarray, names: Sequence[str], head: Predictions, share: float) -> np.ndarray:
    """Probabilities from texts and from the light head, which need not know all classes.

    Args:
        P: (n, C) probabilities from texts
        names: the C classes
        head: what the light head says
        share: how much the texts count, in [0, 1]

    Returns:
        (n, C) float32
    """
    mixed = np.float32(share) * P
    mixed[:, [names.index(name) for name in head.classes]] += np.float32(1 - share) * head.all_classes(TEXTS)
    return mixed
