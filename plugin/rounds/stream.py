"""The random stream: what the part of each batch that was drawn at random says of the pool, without bias."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..dataset.embeddings import Embeddings
from .history import Measured, Round
from .measure import measure_model
from .model import light_head
from .reserve import accuracy_error
from .row_values import placed, places
from .standing import Standing

if TYPE_CHECKING:
    from .campaign import RoundsResults


def in_stream(results: RoundsResults, number: int | None = None) -> np.ndarray:
    """Rows that were drawn at random: the first of their batch.

    Args:
        results: the campaign
        number (None): the round; by default all of them

    Returns:
        (n,) bool, in the order of the campaign's ids
    """
    found = np.zeros(len(results.ids), dtype=bool)
    for entry in results.history:
        if number is None or entry.number == number:
            found |= (results.round == entry.number) & (results.order < entry.n_random)
    return found


def stream_accuracy(results: RoundsResults, entry: Round, standing: Standing) -> dict[str, Measured]:
    """How often the predictions that a batch was chosen by were right in its random part.

    No label of these rows was known then, and each row that could be asked for was as likely to be drawn: this is the
    accuracy of that model on what was left of the pool, unbiased, and of few images.

    Args:
        results: the campaign
        entry: the round
        standing: the labels there are now

    Returns:
        ``"stream_accuracy"``, or nothing if it is not known
    """
    predicted = results.arrays.get(f"predicted_{entry.number}")
    if predicted is None:
        return {}
    mine = in_stream(results, entry.number)[: len(predicted)]
    names = np.array([*entry.classes, None], dtype=object)[predicted.astype(np.int64)]
    truth = placed(np.array(standing.labels, dtype=object), places(standing.ids, results.ids), None)[: len(predicted)]
    judged = mine & (predicted >= 0) & np.array([label is not None for label in truth], dtype=bool)
    if not judged.any():
        return {}
    share, n = float((names == truth)[judged].mean()), int(judged.sum())
    return {"stream_accuracy": Measured(share, accuracy_error(share, n), n, entry.predictions or "")}


def random_accuracy(
    results: RoundsResults, standing: Standing, found: Embeddings, seed: int
) -> tuple[dict[str, Measured], int | None]:
    """What random labels alone would have given: the light head fit on the random parts of all batches.

    Args:
        results: the campaign
        standing: the rows and their labels
        found: their embeddings
        seed: the random seed

    Returns:
        ``"random_accuracy"`` on the test images, and the labels it was learned from; nothing without a stream, two
        classes in it, or test images
    """
    stream = placed(in_stream(results), places(results.ids, standing.ids), False)
    learned = stream & standing.labelled & found.valid
    if not learned.any():
        return {}, None
    metrics, _ = measure_model(standing, light_head(standing, found, seed, learned))
    if "accuracy" not in metrics:
        return {}, None
    return {"random_accuracy": metrics["accuracy"]}, int(learned.sum())
