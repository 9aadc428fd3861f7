"""Labels of several annotators, a field each: which images to ask about next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dataset.embeddings import EmbeddingSource
from ..dataset.labels import read_labels
from ..dataset.lock import database_faults
from ..dataset.predictions import read_predictions
from ..dataset.rows import Rows
from ..errors import CoresetError
from ..runs.plain_fields import write_field
from ..selection.annotators import ActiveLab, active_lab
from ..selection.head import fit_head
from ..selection.predictions import Predictions
from .read_model import HEAD

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection


def score_annotations(
    samples: SampleCollection,
    label_fields: Sequence[str],
    predictions: Any = HEAD,
    *,
    embeddings: Any = "clip_embeddings",
    field: str = "active_lab",
    overwrite: bool = False,
    seed: int = 0,
) -> ActiveLab:
    """Scores images by how much another label would help, be it the first or a further one; see :func:`.active_lab`.

    Writes ``field``, lowest first to ask for, and ``"<field>_consensus"`` and ``"<field>_quality"`` where there is a
    label: the class that annotators and model agree on, and how probable it is.

    Args:
        samples: a dataset, a view, or a ``to_patches()`` view
        label_fields: ``Classification`` or string fields, one an annotator
        predictions ("head"): ``"head"``, a light head on what most annotators say, by which each labelled image is
            judged without having been learned; or the field of a model that did not learn these labels
        embeddings ("clip_embeddings"): for the head
        field ("active_lab"): a field of numbers
        overwrite (False): whether the fields may exist
        seed (0): of the head

    Returns:
        the scores, NaN in rows without embedding or prediction

    Raises:
        CoresetError: if a field cannot be used or exists, or a label is no class of the predictions

    Examples:
        >>> colours = dataset.values("ground_truth.label")
        >>> dataset.set_values("anna", [fo.Classification(label=name) for name in colours[:30]] + [None] * 30)
        >>> dataset.set_values("ben", [fo.Classification(label="red") for _ in range(20)] + [None] * 40)
        >>> scores = fc.score_annotations(dataset, ["anna", "ben"])
        >>> bool(dataset.sort_by("active_lab").first().active_lab == np.nanmin(scores.score))
        True
    """
    import fiftyone.core.fields as fof

    if isinstance(label_fields, str) or not label_fields:
        raise CoresetError(f"label_fields must be a list of fields, one an annotator, got {label_fields!r}")
    rows = Rows(samples)
    names = (field, f"{field}_consensus", f"{field}_quality")
    taken = [name for name in names if rows.has(name)]
    if taken and not overwrite:
        raise CoresetError(f"field '{rows.path(taken[0])}' exists; choose another name or pass overwrite=True")
    rows.hold()
    given = np.array([read_labels(rows, name) for name in label_fields], dtype=object).T
    if isinstance(predictions, str) and predictions == HEAD:
        said = _unseen(rows, given, embeddings, seed)
    else:
        stored = read_predictions(rows, predictions)
        if stored.probabilities is None:
            raise CoresetError(f"'{stored.source}' holds only confidences, and ActiveLab needs those of all classes")
        said = Predictions.from_probabilities(stored.probabilities, stored.classes, missing=~stored.valid)
    known = np.flatnonzero(said.present)
    found = active_lab(given[known], said.take(known))
    ids = np.array(rows.ids())[known]
    labelled = found.consensus >= 0
    consensus = [said.classes[number] for number in found.consensus[labelled]]
    with database_faults("call again with overwrite=True: see that mongod runs first"):
        for name, kind, written, values in (
            (names[1], fof.StringField, ids[labelled], consensus),
            (names[2], fof.FloatField, ids[labelled], found.quality[labelled].tolist()),
            (names[0], fof.FloatField, ids, found.score.tolist()),
        ):
            write_field(rows, name, kind, dict(zip(written.tolist(), values, strict=True)))
    return replace(
        found,
        score=_spread(found.score, known, len(rows), np.nan),
        consensus=_spread(found.consensus, known, len(rows), -1),
        quality=_spread(found.quality, known, len(rows), np.nan),
    )


def _unseen(rows: Rows, given: np.ndarray, embeddings: Any, seed: int) -> Predictions:
    """What light heads say of rows that they have not learned from."""
    found = EmbeddingSource.of(embeddings).load(rows)
    head = fit_head(found.matrix, [_majority(labels) for labels in given], seed=seed)
    logits = head.logits(found.matrix)
    logits[head.labelled] = head.out_of_fold
    return Predictions.from_logits(logits, head.classes, missing=~found.valid)


def _majority(labels: Sequence[str | None]) -> str | None:
    """What most say; of several the first in the alphabet."""
    counts = Counter(label for label in labels if label)
    return min(counts, key=lambda name: (-counts[name], name)) if counts else None


def _spread(values: np.ndarray, rows: np.ndarray, n: int, missing: float) -> np.ndarray:
    spread = np.full(n, missing, dtype=values.dtype)
    spread[rows] = values
    return spread
