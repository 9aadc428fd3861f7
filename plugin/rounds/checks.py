"""Arguments of a round, checked one by one."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from ..dataset.boxes import holds_boxes
from ..dataset.rows import Rows
from ..errors import CoresetError
from ..selection.columns import real
from .anchors import ANCHORS
from .prices import BOXES


def checked_count(budget: Any) -> int:
    """A budget of images."""
    if isinstance(budget, bool) or not isinstance(budget, Integral) or int(budget) < 1:
        raise CoresetError(f"budget must be a whole number of images from 1, got {budget!r}")
    return int(budget)


def checked_amount(budget: Any) -> float:
    """A budget of minutes or money."""
    if isinstance(budget, bool) or not isinstance(budget, Real) or not 0 < float(budget) < np.inf:
        raise CoresetError(f"budget must be a positive number in the unit of cost=, got {budget!r}")
    return float(budget)


def checked_share(share: Any, cost: Any, pool: str) -> float:
    """The share that is drawn at random, which goes neither with costs nor with anchors."""
    share = share_of_batch(share, "random_share")
    if share and cost is not None:
        raise CoresetError("random_share= is a share of the images, and with cost= their number is open; leave one out")
    if pool not in ("all", ANCHORS):
        raise CoresetError(f"pool must be 'all' or '{ANCHORS}', got {pool!r}")
    if share and pool == ANCHORS:
        raise CoresetError(f"random_share= is drawn from all images, and pool='{ANCHORS}' leaves most out; drop one")
    return share


def share_of_batch(share: Any, name: str) -> float:
    """A share that leaves something for the method."""
    if isinstance(share, bool) or not isinstance(share, Real) or not 0 <= float(share) < 1:
        raise CoresetError(f"{name} must be a share in [0, 1) of the batch, got {share!r}")
    return float(share)


def check_names(label_field: Any, test: Any, skip: Any) -> None:
    """Refuses what is no name of a field or tag; one tag to skip alone would be taken for its letters."""
    if not isinstance(label_field, str) or not label_field:
        raise CoresetError(f"label_field must be the name of a field, which may not exist yet, got {label_field!r}")
    if test is not None and (not isinstance(test, str) or not test):
        raise CoresetError(f"test must be a tag, or None where there are no test images, got {test!r}")
    if not isinstance(skip, Sequence) or isinstance(skip, str) or not all(isinstance(tag, str) for tag in skip):
        raise CoresetError(f"skip must be a list of tags, e.g. ['skip', 'off_topic'], got {skip!r}")


def checked_cost(cost: Any) -> str | np.ndarray:
    """A field of costs, or an array."""
    if isinstance(cost, str):
        return cost
    try:
        return real(cost)
    except (TypeError, ValueError) as error:
        raise CoresetError(f"cost must be a field or an array of numbers, one a row ({error})") from error


def expects_boxes(rows: Rows, predictions: Any) -> bool:
    """Whether the cost "boxes" means those that a detector expects, and not a field of that name."""
    if not holds_boxes(rows, predictions) and not rows.has(BOXES):
        raise CoresetError(
            f"cost='{BOXES}' counts the boxes that a detector expects; name the field of its detections as predictions="
        )
    return holds_boxes(rows, predictions)
