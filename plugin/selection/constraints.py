"""Seed sets, exclusions, quotas, near-duplicates and outliers: applied once, around any method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CoresetError
from ..progress import Report
from ..vectors.matrix import as_matrix
from ..vectors.neighbors import isolation
from ..vectors.row_hash import seeded_order
from .pool import Picks, Pool
from .quotas import factorize, resolve_quota, take_turns

if TYPE_CHECKING:
    from .registry import Method

_SCORE = "score"


@dataclass(frozen=True)
class Request:
    """The arguments of ``Method.select`` that are not the method's own."""

    labels: Any
    text_embeddings: Any
    preselected: Any
    excluded: Any
    groups: Any
    quota: str | Mapping[Any, float] | None
    min_per_group: int
    weights: Any
    deduplicate: bool
    outlier_guard: float
    seed: int
    num_workers: int | None
    per_row: dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """A checked request. "Rows" are those of the embeddings given; "pool rows" are numbered as in ``pool``.

    Attributes:
        pool: the rows a method may see, in seeded order
        matrix: (n, d) embeddings, NaN in rows that are not part of the pool
        rows: (m,) int64 row of every pool row
        kept: int64 rows of the seed set, in the order given
        tier: (m,) int64, 0 in pool rows the method chooses from, 1 in further copies, 2 in isolated rows
        fill: (m,) int64 order in which the pool rows of the later tiers are used up
        groups: (m,) int64 group of every pool row, and ``names`` of the groups
        outliers: int64 rows the guard put last
    """

    pool: Pool
    matrix: np.ndarray
    rows: np.ndarray
    kept: np.ndarray
    tier: np.ndarray
    fill: np.ndarray
    outliers: np.ndarray
    request: Request
    groups: np.ndarray | None = None
    names: list = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def blind(self) -> int:
        """Rows of the seed set without an embedding: they are kept, but no method sees them."""
        return len(self.kept) - len(self.pool.kept)

    @property
    def feasible(self) -> int:
        """The largest budget."""
        return len(self.pool) + self.blind


def prepare(embeddings: Any, request: Request, report: Report) -> Problem:
    """Checks a request and puts the usable rows in seeded order."""
    matrix, valid = as_matrix(embeddings)
    n = len(matrix)
    kept = _row_set(request.preselected, n, "preselected")
    excluded = _row_set(request.excluded, n, "excluded")
    both = np.intersect1d(kept, excluded)
    if len(both):
        raise CoresetError(f"{len(both)} rows are both preselected and excluded, e.g. row {both[0]}; choose one")
    usable = valid.copy()
    usable[excluded] = False
    candidates = np.flatnonzero(usable)
    if len(candidates) == 0:
        raise CoresetError(f"none of the {n} rows can be selected: {n - valid.sum()} without a usable embedding")
    X = np.ascontiguousarray(matrix[candidates], dtype=np.float32)
    if not np.isfinite(X).all():
        raise CoresetError("embeddings hold values beyond the range of float32; scale them down")
    order = seeded_order(X, request.seed)
    rows = candidates[order]
    position = np.full(n, -1, dtype=np.int64)
    position[rows] = np.arange(len(rows))
    labels, class_names = _column(request.labels, rows, n, "labels")
    groups, names = _column(request.groups, rows, n, "groups")
    text = request.text_embeddings
    pool = Pool(
        X[order], position[kept][usable[kept]], _weights(request.weights, rows, n), labels, class_names, text,
        request.seed, request.num_workers, report,
    )  # fmt: skip
    facts = {"candidates": len(rows), "without_embedding": int(n - valid.sum()), "excluded": len(excluded)}
    tier, fill = _tiers(pool, request, facts)
    outliers = rows[fill[tier[fill] == 2]][::-1]
    masked = np.where(usable[:, None], matrix, np.nan) if len(rows) < n else matrix
    return Problem(pool, masked, rows, kept, tier, fill, outliers, request, groups, names, facts)


def solve(
    method: Method, problem: Problem, k: int, parameters: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray | None, dict[str, np.ndarray], dict[str, Any]]:
    """Runs a method under the constraints of a problem.

    Args:
        method: the method
        problem: the checked request
        k: the budget, the seed set included, at most ``problem.feasible``
        parameters: the method's own parameters

    Returns:
        a tuple of rows in order, and the scores, columns and details of :class:`.pool.Picks` for all rows given
    """
    if k < len(problem.kept):
        raise CoresetError(f"budget {k} is smaller than the {len(problem.kept)} preselected rows; give at least that")
    run = _Run(method, problem, parameters)
    order = run.constrained(k - problem.blind)
    indices = np.concatenate([problem.kept, problem.rows[order]])
    figures = {}
    for name, values in run.figures.items():
        figures[name] = np.full(len(problem.matrix), np.nan)
        figures[name][problem.rows] = values
    return indices, figures.pop(_SCORE, None), figures, {**problem.facts, **run.details}


class _Run:
    """One run of a method; collects its scores and details over the groups it is run on."""

    def __init__(self, method: Method, problem: Problem, parameters: dict[str, Any]) -> None:
        self.method = method
        self.problem = problem
        self.pool = problem.pool
        self.parameters = parameters
        columns = problem.request.per_row
        self.per_row = {
            name: _numbers(column, len(problem.matrix), name)[problem.rows] for name, column in columns.items()
        }
        self.scored = method.scored and not method.one_budget(parameters)
        self.order: np.ndarray | None = None
        self.figures: dict[str, np.ndarray] = {}
        self.details: dict[str, Any] = {}

    def constrained(self, k: int) -> np.ndarray:
        """Pool rows, k - len(kept) of them, first to keep first."""
        request, kept = self.problem.request, self.pool.kept
        everything = np.arange(len(self.pool))
        if self.problem.groups is None:
            if request.quota is not None or request.min_per_group:
                raise CoresetError("quota and min_per_group need groups=, one value per row")
            return self._pick(everything, kept, k - len(kept))
        if request.quota is not None or not request.min_per_group:
            return self._quota(request.quota or "proportional", k)
        floor = self._per_group(self._quotas("proportional", k, only_floor=True))
        rest = self._pick(everything, np.concatenate([kept, floor]), k - len(kept) - len(floor))
        return np.concatenate([floor, rest])

    def _quota(self, quota: str | Mapping[Any, float], k: int) -> np.ndarray:
        counts = self._quotas(quota, k)
        self.details["quota"] = {str(name): int(count) for name, count in zip(self.problem.names, counts, strict=True)}
        return self._per_group(counts)

    def _quotas(self, quota: str | Mapping[Any, float], k: int, *, only_floor: bool = False) -> np.ndarray:
        groups, names, least = self.problem.groups, self.problem.names, self.problem.request.min_per_group
        assert groups is not None
        sizes = np.bincount(groups, minlength=len(names))
        taken = np.bincount(groups[self.pool.kept], minlength=len(names))
        counts = resolve_quota(quota, names, sizes, k, taken=taken, min_per_group=least)
        return np.maximum(taken, np.minimum(least, sizes)) if only_floor else counts

    def _per_group(self, counts: np.ndarray) -> np.ndarray:
        groups, kept = self.problem.groups, self.pool.kept
        assert groups is not None
        taken = np.bincount(groups[kept], minlength=len(counts))
        parts = [
            self._pick(np.flatnonzero(groups == group), kept[groups[kept] == group], counts[group] - taken[group])
            for group in np.flatnonzero(counts > taken)
        ]
        order = np.concatenate([np.empty(0, dtype=np.int64), *parts])
        return take_turns(order, groups, np.maximum(counts, 1), taken)

    def _pick(self, rows: np.ndarray, kept: np.ndarray, k: int) -> np.ndarray:
        """Picks k of the given pool rows: by the method while its tier lasts, then the rows that were put last."""
        taken = np.zeros(len(self.pool), dtype=bool)
        taken[kept] = True
        first = rows[(self.problem.tier[rows] == 0) | taken[rows]]
        chosen = self._run(first, kept, min(k, len(first) - len(kept)))
        if len(chosen) == k:
            return chosen
        inside = np.zeros(len(self.pool), dtype=bool)
        inside[rows] = True
        spare = self.problem.fill
        spare = spare[inside[spare] & ~taken[spare]]
        return np.concatenate([chosen, spare[: k - len(chosen)]])

    def _run(self, rows: np.ndarray, kept: np.ndarray, k: int) -> np.ndarray:
        if k <= 0:
            return np.empty(0, dtype=np.int64)
        if self.scored:
            order = self._ranked()
            allowed = np.zeros(len(self.pool), dtype=bool)
            allowed[rows] = True
            allowed[kept] = False
            return order[allowed[order]][:k]
        pool = self.pool.subset(rows, kept)
        columns = {name: column[rows] for name, column in self.per_row.items()}
        picks = self.method.function(pool, k, **columns, **self.parameters)
        self._collect(picks, rows)
        return rows[picks.order]

    def _collect(self, picks: Picks, rows: np.ndarray) -> None:
        self.details |= picks.details
        scores = {} if picks.scores is None else {_SCORE: picks.scores}
        for name, values in (scores | picks.columns).items():
            self.figures.setdefault(name, np.full(len(self.pool), np.nan))[rows] = values

    def _ranked(self) -> np.ndarray:
        """All pool rows by score; computed once, since scores do not depend on quotas or seed sets."""
        if self.order is None:
            rows = np.arange(len(self.pool))
            pool = self.pool.subset(rows, np.empty(0, dtype=np.int64))
            picks = self.method.function(pool, len(pool), **self.per_row, **self.parameters)
            self._collect(picks, rows)
            self.order = picks.order
        return self.order


def _tiers(pool: Pool, request: Request, facts: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    tier = np.zeros(len(pool), dtype=np.int64)
    isolated = np.zeros(len(pool))
    if request.deduplicate:
        from ..vectors.near_duplicates import near_duplicates

        found = near_duplicates(pool.Z, seed=pool.seed, num_workers=pool.num_workers)
        tier[~found.representatives(prefer=pool.kept)] = 1
        facts["near_duplicates"] = int((tier == 1).sum())
        facts["near_duplicate_radius"] = found.radius
    if not 0 <= request.outlier_guard <= 0.5:
        raise CoresetError(f"outlier_guard must be a share in [0, 0.5], got {request.outlier_guard}")
    guarded = int(request.outlier_guard * len(pool))
    if guarded:
        isolated = isolation(pool.Z, seed=pool.seed, num_workers=pool.num_workers).astype(float)
        tier[np.argsort(-isolated, kind="stable")[:guarded]] = 2
    tier[pool.kept] = 0
    facts["set_aside"] = int((tier == 2).sum())
    fill = np.lexsort((np.arange(len(pool)), np.where(tier == 2, isolated, 0), tier))
    return tier, fill[tier[fill] > 0]


def _row_set(rows: Any, n: int, name: str) -> np.ndarray:
    """Row indices or a mask as (m,) int64 without repeats, in the order given."""
    if rows is None:
        return np.empty(0, dtype=np.int64)
    rows = np.asarray(rows)
    if rows.dtype == bool:
        if rows.shape != (n,):
            raise CoresetError(f"{name}: a mask must have one entry for each of the {n} rows, got shape {rows.shape}")
        return np.flatnonzero(rows)
    if rows.size == 0:
        return np.empty(0, dtype=np.int64)
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise CoresetError(f"{name}: expected row indices or an (n,) bool mask, got {rows.dtype} of shape {rows.shape}")
    if rows.min() < 0 or rows.max() >= n:
        raise CoresetError(f"{name}: row indices must lie in 0..{n - 1}, got {rows.min()}..{rows.max()}")
    if len(np.unique(rows)) < len(rows):
        raise CoresetError(f"{name}: {len(rows) - len(np.unique(rows))} row indices appear more than once")
    return rows.astype(np.int64)


def _column(values: Any, rows: np.ndarray, n: int, name: str) -> tuple[np.ndarray | None, list]:
    if values is None:
        return None, []
    if len(values) != n:
        raise CoresetError(f"{name} has {len(values)} entries but there are {n} rows; pass one per row")
    column = np.empty(n, dtype=object)
    column[:] = list(values)
    return factorize(column[rows])


def _numbers(values: Any, n: int, name: str) -> np.ndarray:
    column = np.asarray(values, dtype=np.float64)
    if column.shape != (n,):
        raise CoresetError(f"{name} has shape {column.shape} but there are {n} rows; pass one number per row")
    return column


def _weights(weights: Any, rows: np.ndarray, n: int) -> np.ndarray:
    if weights is None:
        return np.ones(len(rows))
    column = _numbers(weights, n, "weights")[rows]
    bad = ~(np.isfinite(column) & (column > 0))
    if bad.any():
        raise CoresetError(
            f"weights must be positive finite numbers, {bad.sum()} are not; use excluded= to leave rows out"
        )
    return column / column.mean()
