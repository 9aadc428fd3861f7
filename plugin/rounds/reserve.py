"""``reserve_test``: a random set of images to judge models on, which no round asks for."""

from __future__ import annotations

import math
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np

from ..dataset.arguments import field_values
from ..dataset.lock import database_faults
from ..dataset.owned import owned_fields
from ..dataset.rows import Rows
from ..dataset.tags import require_tags, write_tag
from ..errors import CoresetError
from ..seeds import check_seed
from ..selection.apportion import apportion
from ..selection.quotas import factorize

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.view import DatasetView


def reserve_test(
    samples: SampleCollection, size: int = 500, tag: str = "test", by: str | None = None, seed: int = 0
) -> DatasetView:
    """Tags a random set of images (or objects) as test images; rounds never ask for them.

    Accuracy on actively chosen images says nothing about the pool, so the learning curve needs images that were drawn
    at random. Images that a round has asked for are not drawn. Label the test images once; the standard error of an
    accuracy ``a`` on ``m`` of them is ``sqrt(a (1 - a) / m)``: 2.2 points at 500 images and 60 %.

    Args:
        samples: a dataset, a view, or a ``to_patches()`` view
        size (500): images to draw
        tag ("test"): the tag they get
        by (None): a field whose values keep their share in the test set, e.g. ``"camera"``
        seed (0): the random seed

    Returns:
        a view of the test images

    Raises:
        CoresetError: if images carry the tag already, too few are left, or a field does not exist

    Examples:
        >>> len(fc.reserve_test(dataset, size=10, tag="held out"))
        10
        >>> dataset.count_sample_tags()["held out"]
        10
    """
    rows, seed = Rows(samples), check_seed(seed)
    require_tags(rows)
    if isinstance(size, bool) or not isinstance(size, Integral) or int(size) < 1:
        raise CoresetError(f"size must be a whole number of images from 1, got {size!r}")
    if not isinstance(tag, str) or not tag.strip():
        raise CoresetError(f"tag must be text, got {tag!r}")
    with database_faults("some images may carry the tag already: see that mongod runs, untag them, and call again"):
        rows.hold()
        ids = np.array(rows.ids())
        carrying = sum(tag in (tags or ()) for tags in rows.values("tags"))
        if carrying:
            raise CoresetError(f"{carrying:,} {rows.noun} carry the tag '{tag}' already; choose another tag")
        free = np.flatnonzero(~asked_for(rows))
        if size >= len(free):
            raise CoresetError(
                f"{size:,} test images were wanted, but only {len(free):,} {rows.noun} were not asked for by a round, "
                "and some must be left to choose from; reserve fewer"
            )
        chosen = free[_draw(rows, free, int(size), by, seed)]
        write_tag(rows, ids[chosen].tolist(), tag)
        return _tagged(rows, tag)


def accuracy_error(accuracy: float, n: int) -> float:
    """The standard error of an accuracy on n test images.

    At 0 and 1, where the plain formula says 0, half an image is taken to be on the other side.

    Args:
        accuracy: in [0, 1]
        n: test images

    Returns:
        ``sqrt(a (1 - a) / n)``
    """
    share = min(max(accuracy, 0.5 / n), 1 - 0.5 / n)
    return math.sqrt(share * (1 - share) / n)


def _tagged(rows: Rows, tag: str) -> DatasetView:
    if rows.patches_field is None:
        return rows.samples.match_tags(tag)
    return rows.source.select_labels(tags=tag, fields=rows.patches_field).to_patches(rows.patches_field)


def asked_for(rows: Rows) -> np.ndarray:
    """(n,) bool, rows that a round of any campaign has asked for."""
    asked = np.zeros(len(rows), dtype=bool)
    prefix = rows.path("")
    for path, mark in owned_fields(rows.dataset).items():
        if mark["column"] == "round" and path.startswith(prefix) and "." not in path[len(prefix) :]:
            asked |= np.array([(number or 0) > 0 for number in rows.values(path[len(prefix) :])], dtype=bool)
    return asked


def _draw(rows: Rows, free: np.ndarray, size: int, by: str | None, seed: int) -> np.ndarray:
    """Places in ``free``; each value of the field gets its share by largest remainder."""
    rng = np.random.default_rng(seed)
    if by is None:
        return rng.choice(len(free), size, replace=False)
    groups = factorize(np.array(field_values(rows, "by", by), dtype=object)[free])[0]
    counts = np.bincount(groups)
    quotas = apportion(counts.astype(float), size, np.zeros_like(counts), counts)
    return np.concatenate([
        rng.choice(np.flatnonzero(groups == group), quota, replace=False) for group, quota in enumerate(quotas)
    ])  # fmt: skip
