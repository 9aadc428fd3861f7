"""``select_test``: a test set that is chosen, which tells the accuracy of one model from few labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..dataset.lock import database_faults
from ..dataset.predictions import read_predictions
from ..dataset.rows import Rows
from ..dataset.shown import view_of
from ..dataset.tags import require_tags, write_tag
from ..errors import CoresetError
from ..requirements import check_count
from ..runs.plain_fields import write_field
from ..selection.active_testing import draw_test, lure_risk
from ..selection.predictions import Predictions
from .read_model import as_predictions
from .reserve import asked_for
from .standing import read_standing

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.view import DatasetView

#: The entry of a field's ``info`` that says of how many rows a test set was drawn.
_POOL = "coreset_test_pool"


def select_test(
    samples: SampleCollection,
    size: int,
    predictions: Any,
    *,
    label_field: str = "ground_truth",
    tag: str = "chosen_test",
    seed: int = 0,
) -> DatasetView:
    """Tags test images that a model probably gets wrong, and keeps how probable each was (:func:`.draw_test`).

    For one model, below some 500 labels. It is no test set for the learning curve of rounds: a plain accuracy on chosen
    images is biased, and :func:`chosen_accuracy` weighs them for the model that chose them, or one like it. Give their
    labels a field of their own and name the tag in ``skip=`` of :func:`next_batch`: rounds then neither ask for these
    images nor learn from them.

    Args:
        samples: a dataset, a view, or a ``to_patches()`` view
        size: images to draw
        predictions: your model's predictions, as in :func:`.read_predictions`
        label_field ("ground_truth"): images with a label, which the model may have learned from, are not drawn
        tag ("chosen_test"): the tag they get, and the beginning of the names of ``"<tag>_order"`` and
            ``"<tag>_probability"``, which hold the draw
        seed (0): the random seed

    Returns:
        a view of the test images

    Raises:
        CoresetError: if the tag or the fields exist, or fewer images can be drawn

    Examples:
        >>> shares = np.linspace(0.4, 0.9, 60)
        >>> dataset.set_values("own", [fo.Classification(label="red", confidence=share) for share in shares])
        >>> len(fc.select_test(dataset, 8, "own"))
        8
    """
    import fiftyone.core.fields as fof

    rows = Rows(samples)
    require_tags(rows)
    check_count("size", size, 1)
    if not isinstance(tag, str) or not tag.isidentifier():
        raise CoresetError(f"tag {tag!r} must be a valid variable name, since fields are named by it")
    order, probability = f"{tag}_order", f"{tag}_probability"
    if taken := [name for name in (order, probability) if rows.has(name)]:
        raise CoresetError(f"field '{rows.path(taken[0])}' exists; choose another tag")
    rows.hold()
    if carrying := sum(tag in (tags or ()) for tags in rows.values("tags")):
        raise CoresetError(f"{carrying:,} {rows.noun} carry the tag '{tag}' already; choose another tag")
    standing = read_standing(rows, label_field, None, ())
    drawn = draw_test(
        _read(rows, predictions), size, excluded=np.flatnonzero(standing.has_label | asked_for(rows)), seed=seed
    )
    ids = standing.ids[drawn.rows].tolist()
    with database_faults(
        f"delete the fields '{order}' and '{probability}', untag what carries '{tag}', and call again"
    ):
        write_field(rows, order, fof.IntField, dict(zip(ids, range(size), strict=True)))
        write_field(rows, probability, fof.FloatField, dict(zip(ids, drawn.probabilities.tolist(), strict=True)))
        field = rows.dataset.get_field(rows.path(probability))
        field.info = {_POOL: drawn.n_pool}
        field.save()
        write_tag(rows, ids, tag)
    return view_of(rows, ids, ordered=True)


def chosen_accuracy(
    samples: SampleCollection, predictions: Any, *, label_field: str = "ground_truth", tag: str = "chosen_test"
) -> tuple[float, float]:
    """The accuracy of a model on the pool that a test set was chosen from, without bias (:func:`.lure_risk`).

    Args:
        samples: what :func:`select_test` was given
        predictions: the predictions of the model that chose the images, or of one like it
        label_field ("ground_truth"): where the labels are; all test images must have one
        tag ("chosen_test"): their tag

    Returns:
        a tuple of the accuracy and its standard error

    Raises:
        CoresetError: if there is no such test set, or labels or predictions are missing

    Examples:
        >>> shares = np.linspace(0.4, 0.9, 60)
        >>> dataset.set_values("own", [fo.Classification(label="red", confidence=share) for share in shares])
        >>> test = fc.select_test(dataset, 8, "own")
        >>> test.set_values("ground_truth", [fo.Classification(label="red")] * 8)  # a person finds that all are right
        >>> fc.chosen_accuracy(dataset, "own")
        (1.0, 0.0)
    """
    rows = Rows(samples)
    order, probability = f"{tag}_order", f"{tag}_probability"
    missing = [name for name in (order, probability) if not rows.has(name)]
    info = None if missing else rows.dataset.get_field(rows.path(probability)).info
    if missing or not info or _POOL not in info:
        raise CoresetError(f"'{rows.dataset.name}' has no test set '{tag}' that select_test() has drawn")
    rows.hold()
    places = np.array([-1 if place is None else place for place in rows.values(order)], dtype=np.int64)
    drawn = np.flatnonzero(places >= 0)[np.argsort(places[places >= 0], kind="stable")]
    if not len(drawn) or places[drawn].tolist() != list(range(len(drawn))):
        raise CoresetError(f"test images of '{tag}' were deleted, or are not in this view, and no risk can be told")
    labels = read_standing(rows, label_field, None, ()).labels
    said = _read(rows, predictions)
    names = np.array([*said.classes, None], dtype=object)[said.predicted[drawn]]
    for what, unknown in (
        ("label", sum(labels[row] is None for row in drawn)),
        ("prediction", sum(name is None for name in names)),
    ):
        if unknown:
            raise CoresetError(f"{unknown:,} of the {len(drawn):,} test images of '{tag}' have no {what}; all need one")
    wrong = np.array([name != labels[row] for name, row in zip(names, drawn, strict=True)], dtype=float)
    risk, error = lure_risk(wrong, np.array(rows.values(probability), dtype=np.float64)[drawn], info[_POOL])
    return 1 - risk, error


def _read(rows: Rows, predictions: Any) -> Predictions:
    return as_predictions(read_predictions(rows, predictions))
