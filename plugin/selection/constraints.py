"""Seed sets, exclusions, quotas, near-duplicates and outliers: applied once, around any method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..progress import ProgressCallback
from ..vectors.matrix import as_matrix
from ..vectors.near_duplicates import NearDuplicates
from ..vectors.neighbors import isolation
from ..vectors.row_hash import seeded_order
from ..vectors.row_sets import row_mask, row_set
from .columns import column, positive_weights
from .linear_head import LinearHead
from .pool import Pool, PoolVectors
from .predictions import Predictions
from .quotas import factorize, is_missing, least_counts, resolve_quota


@dataclass(frozen=True, kw_only=True)
class Constraints:
    """What any selection can be asked to obey; each is described at :meth:`.method.Method.select`."""

    preselected: Any = None
    excluded: Any = None
    groups: Any = None
    quota: str | Mapping[Any, float] | None = None
    min_per_group: int = 0
    weights: Any = None
    deduplicate: bool = False
    outlier_guard: float = 0.0

    def __post_init__(self) -> None:
        if not (isinstance(self.outlier_guard, Real) and 0 <= self.outlier_guard <= 0.5):
            raise CoresetError(f"outlier_guard must be a share in [0, 0.5], got {self.outlier_guard!r}")
        if not (isinstance(self.min_per_group, Integral) and self.min_per_group >= 0):
            raise CoresetError(f"min_per_group must be a whole number from 0, got {self.min_per_group!r}")


@dataclass(frozen=True, kw_only=True)
class Given:
    """What is known of the n rows besides their embeddings.

    Attributes:
        labels: (n,) class labels
        text_embeddings: text features
        predictions: what a model says; rows without a prediction are left out unless they are preselected
        head: the light head; it predicts where ``predictions`` are not given
        near_copies: groups of near-copies; what a short distance links counts by default
    """

    labels: Any = None
    text_embeddings: Any = None
    predictions: Predictions | None = None
    head: LinearHead | None = None
    near_copies: NearDuplicates | None = None


@dataclass(frozen=True)
class PreparedPool:
    """A checked pool under constraints.

    "Rows" are those of the embeddings given; "pool rows" are numbered as in ``pool``.

    Attributes:
        pool: the rows a method may see, in seeded order
        preselected: int64 rows of the seed set, in the order given; those that no method can see are among them
        constraints: what the selection must obey
        put_last: (m,) bool, True in pool rows that are used only when the others are used up
        last: int64 those pool rows in the order in which they are used: further copies, then isolated rows
        set_aside: int64 rows that the outlier guard put last, most isolated first
        groups: (m,) int64 group of every pool row, or None
        group_names: names of the groups
        facts: JSON-able counts of what was left out and put last
    """

    pool: Pool
    preselected: np.ndarray
    constraints: Constraints
    put_last: np.ndarray
    last: np.ndarray
    set_aside: np.ndarray
    groups: np.ndarray | None = None
    group_names: list = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def unseen(self) -> int:
        """Rows of the seed set without an embedding or label: they are kept, but no method sees them."""
        return len(self.preselected) - len(self.pool.preselected)

    @property
    def feasible(self) -> int:
        """The largest budget."""
        return len(self.pool) + self.unseen

    def group_counts(self, quota: str | Mapping[Any, float], k: int) -> np.ndarray:
        """(g,) int64 pool rows to select of every group, the preselected ones included; they add up to ``k``."""
        taken, sizes = self._group_sizes()
        least = self.constraints.min_per_group
        return resolve_quota(quota, self.group_names, sizes, k, taken=taken, min_per_group=least)

    def least_group_counts(self, k: int) -> np.ndarray:
        """(g,) int64 pool rows that every group gets in any case; they add up to at most ``k``."""
        self.group_counts("proportional", k)  # refuses what does not fit the budget
        taken, sizes = self._group_sizes()
        return least_counts(self.constraints.min_per_group, sizes, taken)

    def _group_sizes(self) -> tuple[np.ndarray, np.ndarray]:
        assert self.groups is not None
        n_groups = len(self.group_names)
        taken = np.bincount(self.groups[self.pool.preselected], minlength=n_groups)
        return taken, np.bincount(self.groups, minlength=n_groups)


def prepare(
    embeddings: Any,
    constraints: Constraints,
    given: Given,
    *,
    every_row_needs_a_label: bool = False,
    seed: int = 0,
    num_workers: int | None = None,
    report: ProgressCallback,
) -> PreparedPool:
    """Checks what was asked for and puts the usable rows in seeded order.

    The embeddings are read block by block; a method that needs the whole matrix gathers it, see :class:`.PoolVectors`.

    Args:
        embeddings: (n, d) embeddings in any form :func:`.as_matrix` reads
        constraints: what the selection must obey
        given: what is known of the rows
        every_row_needs_a_label (False): whether rows without a label are left out
        seed (0): the random seed
        num_workers (None): threads
        report: called with the finished fraction and what is being done

    Returns:
        the :class:`PreparedPool`

    Raises:
        CoresetError: if an argument is unusable, or no row is left
    """
    matrix, valid = as_matrix(embeddings)
    n = len(matrix)
    preselected = row_set(constraints.preselected, n, "preselected")
    excluded = row_set(constraints.excluded, n, "excluded")
    both = np.intersect1d(preselected, excluded)
    if len(both):
        raise CoresetError(f"{len(both)} rows are both preselected and excluded, e.g. row {both[0]}; choose one")
    label_column = column(given.labels, n, "labels")
    predicted = _predicted(given, preselected, n)
    usable, facts = _usable(valid, excluded, label_column if every_row_needs_a_label else None, predicted)
    rows = seeded_order(matrix, seed, np.flatnonzero(usable))
    position = np.full(n, -1, dtype=np.int64)
    position[rows] = np.arange(len(rows))
    numbers_of_classes, class_names = (None, []) if label_column is None else factorize(label_column[rows])
    vectors = PoolVectors(matrix, rows)
    pool = Pool(
        vectors,
        preselected=position[preselected[usable[preselected]]],
        weights=positive_weights(constraints.weights, rows, n),
        labels=numbers_of_classes,
        class_names=class_names,
        text_embeddings=given.text_embeddings,
        predictions=_predictions(given, vectors),
        head=given.head,
        copies=_copies(given.near_copies, rows, n),
        seed=seed,
        num_workers=num_workers,
        report=report,
    )
    groups, group_names = _groups(constraints, rows, n)
    copies, isolated = _put_last(pool, constraints, facts)
    return PreparedPool(
        pool,
        preselected,
        constraints,
        put_last=row_mask(np.concatenate([copies, isolated]), len(pool)),
        last=np.concatenate([copies, isolated]),
        set_aside=rows[isolated[::-1]],
        groups=groups,
        group_names=group_names,
        facts=facts,
    )


def _groups(constraints: Constraints, rows: np.ndarray, n: int) -> tuple[np.ndarray | None, list]:
    """Group numbers of the pool's rows, and the names of the groups."""
    group_column = column(constraints.groups, n, "groups")
    if group_column is not None:
        return factorize(group_column[rows])
    if constraints.quota is not None or constraints.min_per_group:
        raise CoresetError("quota and min_per_group need groups=, one value per row")
    return None, []


def _predicted(given: Given, preselected: np.ndarray, n: int) -> np.ndarray:
    """(n,) bool, the rows that need no prediction or have one."""
    if given.predictions is None:
        return np.ones(n, dtype=bool)
    if len(given.predictions) != n:
        raise CoresetError(f"predictions are of {len(given.predictions)} rows but there are {n}; pass one per row")
    return given.predictions.present | row_mask(preselected, n)


def _predictions(given: Given, vectors: PoolVectors) -> Predictions | None:
    """Those of the pool's rows: as given, or the head's."""
    if given.predictions is not None:
        return given.predictions.take(vectors.rows)
    return None if given.head is None else given.head.predictions(vectors.X)


def _copies(near_copies: NearDuplicates | None, rows: np.ndarray, n: int) -> NearDuplicates | None:
    if near_copies is None:
        return None
    if len(near_copies.groups) != n:
        raise CoresetError(f"near_copies are groups of {len(near_copies.groups)} rows but there are {n}; pass one each")
    return near_copies.take(rows)


def _usable(
    valid: np.ndarray, excluded: np.ndarray, label_column: np.ndarray | None, predicted: np.ndarray
) -> tuple[np.ndarray, dict[str, Any]]:
    """(n,) bool, the rows that can be selected, and how many are left out for what; refuses if none is left."""
    usable = valid.copy()
    usable[excluded] = False
    left_out = {"without_embedding": int((~valid).sum()), "excluded": len(excluded)}
    if label_column is not None:
        unlabelled = usable & np.array([is_missing(label) for label in label_column], dtype=bool)
        left_out["n_unlabelled"] = int(unlabelled.sum())
        usable &= ~unlabelled
    if not predicted.all():
        left_out["without_prediction"] = int((usable & ~predicted).sum())
        usable &= predicted
    if not usable.any():
        lacking = f"{left_out['without_embedding']} without a usable embedding"
        if left_out.get("n_unlabelled"):
            lacking += f", {left_out['n_unlabelled']} others without a label"
        if left_out.get("without_prediction"):
            lacking += f", {left_out['without_prediction']} others without a prediction"
        raise CoresetError(f"none of the {len(valid)} rows can be selected: {lacking}")
    return usable, {"candidates": int(usable.sum())} | left_out


def _put_last(pool: Pool, constraints: Constraints, facts: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Pool rows that are further copies, and those that are isolated, each in the order in which they are used."""
    copy = np.zeros(len(pool), dtype=bool)
    if constraints.deduplicate:
        found = pool.near_duplicates()
        copy = ~found.representatives(prefer=pool.preselected)
        facts["near_duplicates"] = int(copy.sum())
        facts["near_duplicate_radius"] = found.radius
    outliers = np.empty(0, dtype=np.int64)
    guarded = int(constraints.outlier_guard * len(pool))
    if guarded:
        distance = isolation(pool.Z, seed=pool.seed, num_workers=pool.num_workers).astype(float)
        outliers = np.argsort(-distance, kind="stable")[:guarded]
        outliers = np.sort(outliers[pool.candidates[outliers]])
        outliers = outliers[np.argsort(distance[outliers], kind="stable")]
    copy[outliers] = False
    copy[pool.preselected] = False
    facts["set_aside"] = len(outliers)
    return np.flatnonzero(copy), outliers
