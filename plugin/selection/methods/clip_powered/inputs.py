"""Images, labels and class texts, brought together and checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....errors import CoresetError
from ....seeds import check_seed
from ....vectors.matrix import as_matrix, blocks, normalized
from ....vectors.row_hash import seeded_order
from ...quotas import is_missing


@dataclass(frozen=True)
class LabelledEmbeddings:
    """The rows that can be scored, in a seeded order of their content, so that nothing follows file order.

    Attributes:
        rows: (m,) int64, the input rows in use: embedding present, label present or guessed
        images: (m, d) float32 image embeddings over their mean norm, which no score depends on
        labels: (m,) int64 class of each row in use
        texts: (C, d) float32 unit text embeddings
        classes: the C class labels, in the order of ``texts``
        n: number of input rows
        n_without_embedding: input rows whose embedding is missing or not finite
        n_unlabelled: input rows with an embedding but no label
        n_pseudo: how many of those are in use with the class that their image agrees with most
    """

    rows: np.ndarray
    images: np.ndarray
    labels: np.ndarray
    texts: np.ndarray
    classes: list[Any]
    n: int
    n_without_embedding: int
    n_unlabelled: int
    n_pseudo: int

    def spread(self, values: np.ndarray, fill: Any) -> np.ndarray:
        """Values of the rows in use, back in place among all n input rows."""
        full = np.full(self.n, fill, dtype=values.dtype)
        full[self.rows] = values
        return full


def prepare(
    image_embeddings: Any,
    labels: Sequence[Any] | np.ndarray,
    text_embeddings: Mapping[Any, Any] | np.ndarray | None,
    unlabelled: str = "exclude",
    seed: int = 0,
) -> LabelledEmbeddings:
    """Checks the inputs of the label-aware method; see ``clip_powered_scores`` for what they may be."""
    seed = check_seed(seed)
    matrix, valid = as_matrix(image_embeddings, "image_embeddings")
    if len(labels) != len(matrix):
        raise CoresetError(f"labels: got {len(labels)} for {len(matrix)} image embeddings; give one label per row")
    if unlabelled not in ("exclude", "pseudo"):
        raise CoresetError(f"unlabelled={unlabelled!r}: choose 'exclude' or 'pseudo'")
    if not valid.any():
        raise CoresetError(f"image_embeddings: none of the {len(matrix)} rows is finite; compute embeddings first")
    classes, texts = _texts(text_embeddings, labels, matrix.shape[1])
    given = _encode(labels, classes)

    labelled = given >= 0
    rows = np.flatnonzero(valid & labelled if unlabelled == "exclude" else valid)
    if len(rows) == 0:
        raise CoresetError(
            f"labels: none of the {int(valid.sum())} images with an embedding has a label; pass "
            "unlabelled='pseudo' to use the class each image agrees with most"
        )
    images = _gather(matrix, rows)
    order = seeded_order(images, seed)
    rows, images = rows[order], images[order]
    in_use = given[rows]
    guess = np.flatnonzero(in_use < 0)
    in_use[guess] = _agreeing_class(images[guess], texts)
    return LabelledEmbeddings(
        rows=rows,
        images=images,
        labels=in_use,
        texts=texts,
        classes=classes,
        n=len(matrix),
        n_without_embedding=int((~valid).sum()),
        n_unlabelled=int((valid & ~labelled).sum()),
        n_pseudo=len(guess),
    )


def _texts(text_embeddings: Any, labels: Any, dim: int) -> tuple[list[Any], np.ndarray]:
    if text_embeddings is None:
        raise CoresetError(
            "text_embeddings: clip_powered compares images with the texts of their classes; give one text embedding "
            "per class from the model that embedded the images, or use a method without texts, see list_methods()"
        )
    if isinstance(text_embeddings, Mapping):
        classes = list(text_embeddings)
        texts = np.array([np.asarray(text_embeddings[name], dtype=np.float32) for name in classes])
    else:
        texts = np.asarray(text_embeddings, dtype=np.float32)
        classes = _row_labels(labels, len(texts))
    if texts.ndim != 2 or texts.shape[1] != dim:
        raise CoresetError(
            f"text_embeddings: shape {texts.shape} does not fit image embeddings of {dim} dimensions; "
            "embed the class names with the model that embedded the images"
        )
    if not np.isfinite(texts).all():
        bad = [classes[row] for row in np.flatnonzero(~np.isfinite(texts).all(axis=1))]
        raise CoresetError(f"text_embeddings: not finite for {len(bad)} classes, e.g. {bad[0]!r}; embed them again")
    return classes, normalized(texts)


def _row_labels(labels: Any, n_texts: int) -> list[Any]:
    """The labels that the rows of a text matrix belong to: 0..C-1 for integers, else the sorted distinct names."""
    distinct = {_plain(label) for label in np.asarray(labels, dtype=object).tolist()} - {None}
    if all(isinstance(label, int) for label in distinct):
        return list(range(n_texts))
    names = sorted(distinct, key=str)
    if len(names) != n_texts:
        raise CoresetError(
            f"text_embeddings: {n_texts} rows for {len(names)} distinct labels; give a mapping from label to vector"
        )
    return names


def _encode(labels: Any, classes: list[Any]) -> np.ndarray:
    """Class numbers, -1 for no label."""
    number: dict[Any, int] = {name: row for row, name in enumerate(classes)}
    plain = [_plain(label) for label in np.asarray(labels, dtype=object).tolist()]
    unknown = {label for label in plain if label is not None} - set(number)
    if unknown:
        count = sum(label in unknown for label in plain)
        raise CoresetError(
            f"labels: {count} images carry {len(unknown)} labels without a text embedding, "
            f"e.g. {min(unknown, key=str)!r}; embed a text for every class"
        )
    return np.array([-1 if label is None else number[label] for label in plain], dtype=np.int64)


def _plain(label: Any) -> Any:
    """A hashable label; None for the usual spellings of 'no label': None, NaN, negative numbers, empty names."""
    if is_missing(label):
        return None
    if isinstance(label, str):
        return label
    if isinstance(label, float | np.floating) and float(label).is_integer():
        label = int(label)
    if isinstance(label, bool | np.bool_ | int | np.integer):
        return int(label)
    raise CoresetError(f"labels: expected class names or class numbers, got {label!r} ({type(label).__name__})")


def _gather(matrix: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The rows in use as float32 over their mean norm."""
    images = np.empty((len(rows), matrix.shape[1]), dtype=np.float32)
    norms = np.empty(len(rows))
    for part in blocks(len(rows)):
        images[part] = matrix[rows[part]]
        norms[part] = np.linalg.norm(images[part].astype(np.float64), axis=1)
    mean = math.fsum(norms) / len(rows)  # exact, hence the same for any order of the rows
    if mean > 0:
        images /= np.float32(mean)
    return images


def _agreeing_class(images: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Zero-shot classification: the class whose text is nearest in angle."""
    agreed = np.empty(len(images), dtype=np.int64)
    for part in blocks(len(images)):
        agreed[part] = np.argmax(images[part] @ texts.T, axis=1)
    return agreed
