"""Runs ZCore's draws: cuts them into chunks, lets threads work on them, and adds the results up in order.

A chunk depends on the seed and on its number only, and sums are taken in the order of the chunks. So neither the number
of threads nor their timing can be seen in the result. Chunks belong to two halves by turns; the halves share no random
number, which makes their agreement an honest measure of how reliable the result is.
"""

from __future__ import annotations

import itertools
import math
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from ....errors import CoresetError
from ....vectors.device import gpu_for, named_if_full
from .columns import CODES, PackedColumns, Tables, make_tables
from .params import ZCoreParams
from .reliability import Goal, split_half_reliability
from .sampling import spread_targets, subspaces

#: Callback for progress: the fraction done and a sentence.
Progress = Callable[[float, str], None]
#: Coverage and redundancy, (n,) float64 each.
Effect = tuple[np.ndarray, np.ndarray]

_CHUNK_SUBSPACES = 64
_CHUNK_DRAWS = 2048
_MOST_DRAWS = 100_000  # an image; scores that still look like noise are all the same
_IMAGES_PER_CELL = 10
_ONE_PAIR = np.array([[0, 1]])
_AUXILIARY_TARGETS = 8  # a draw
_DRAWS_A_CORRECTION = 4  # draws for each target that penalises all K neighbours


@dataclass(frozen=True)
class Chunk:
    """A piece of work: which half it counts for, how many draws it holds, how to compute its effect, and from what."""

    half: int
    n_draws: int
    effect: Callable[[], Effect]
    plan: tuple = ()


class Workers:
    """Threads that leave with the block, whatever ends it."""

    def __init__(self, number: int | None):
        self.number = number or _usable_cores()
        self._pool = ThreadPoolExecutor(self.number, thread_name_prefix="zcore")

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def map(self, function: Callable, items: Iterator) -> Iterator:
        """Results in the order of the items, which may be endless; works only a little ahead."""
        pending: deque[Future] = deque()
        for item in items:
            pending.append(self._pool.submit(function, item))
            if len(pending) > 2 * self.number:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# ---- chunks of draws


def given_draws(columns: np.ndarray, dims: np.ndarray, targets: np.ndarray, params: ZCoreParams) -> Iterator[Chunk]:
    """The caller's own draws, in chunks.

    Args:
        columns: (d, n) embeddings
        dims: (t, m) int64 dimensions
        targets: (t, m) float64 points in these
        params: the hyperparameters

    Yields:
        the chunks
    """
    score = _scorer(columns, params, len(dims))
    size = min(_CHUNK_DRAWS, math.ceil(len(dims) / 2))
    for number, first in enumerate(range(0, len(dims), size)):
        draws = slice(first, first + size)
        work = partial(score, dims[draws], targets[draws])
        yield Chunk(number % 2, len(dims[draws]), work)


def _sample(columns: np.ndarray, n_neighbors: int) -> np.ndarray:
    """Every so many images, such that some 32 of the sample are among the neighbours of any; empty if n is small."""
    n = columns.shape[1]
    if n <= 32 * n_neighbors:
        return columns[:, :0].copy()
    return np.ascontiguousarray(columns[:, :: max(1, n_neighbors // 32)])


def _scorer(
    columns: np.ndarray, params: ZCoreParams, n_draws: int | None
) -> Callable[[np.ndarray, np.ndarray], Effect]:
    """What gives the effect of (t, m) dimensions and targets, on a GPU or by compiled kernels.

    Args:
        columns: (d, n) embeddings
        params: the hyperparameters
        n_draws: how many draws will come, or None for no end
    """
    # A draw compares and adds where a product multiplies, and takes some 100 times as long an image.
    device = gpu_for(100.0 * columns.shape[1] * (n_draws or sys.maxsize), columns.nbytes)
    if device is None:
        sample = _sample(columns, params.n_neighbors)
        return lambda dims, targets: _score_draws(columns, sample, dims, targets, params)
    from ....vectors.torch_kernel import put
    from .torch_draws import score_draws

    with named_if_full(device):
        held = put(columns, device)

    def score(dims: np.ndarray, targets: np.ndarray) -> Effect:
        with named_if_full(device):
            coverage, redundancy = score_draws(held, dims, targets, params)
        return coverage, redundancy

    return score


def _score_draws(
    columns: np.ndarray, sample: np.ndarray, dims: np.ndarray, targets: np.ndarray, params: ZCoreParams
) -> Effect:
    from .kernel_any_dim import score_draws
    from .kernel_pairs import make_scratch

    effect = np.zeros((2, columns.shape[1]))
    score_draws(columns, sample, dims, targets, params, make_scratch(columns), *effect)
    return effect[0], effect[1]


class SeededDraws:
    """Draws made from a seed: balanced subspaces with many evenly spread targets in each.

    Args:
        columns: (d, n) embeddings, which may be packed
        sample_dim: dimensions of a subspace
        n_draws: how many to make, or None for no end
        seed: of all randomness
        params: the hyperparameters
        workers: for the preparation
        tables (None): what :func:`make_tables` made of the columns; made here by default
    """

    def __init__(
        self,
        columns: np.ndarray | PackedColumns,
        sample_dim: int,
        n_draws: int | None,
        seed: int,
        params: ZCoreParams,
        workers: Workers,
        tables: Tables | None = None,
    ):
        n = columns.shape[1]
        self._columns = columns
        self._params = params
        self._seed = seed
        self._codes, self._edges, self._triangles = tables or make_tables(columns, workers)
        self.dims = np.flatnonzero(self._triangles[:, 0] < self._triangles[:, 2])
        if len(self.dims) == 0:
            raise CoresetError(f"embeddings: all {n} usable vectors are identical, so there is nothing to rank")
        self._sample_dim = min(sample_dim, len(self.dims))
        if self._sample_dim != 2:
            self._score = _scorer(np.asarray(columns), params, n_draws)
        side = 2 ** round(math.log2(max(n / _IMAGES_PER_CELL, 1)) / 2)
        self._side = min(side, CODES)
        self._n_draws = n_draws
        self._n_targets = max(16, 2 ** round(math.log2(0.65 * n**0.5)))
        if n_draws is not None:
            self._n_targets = max(1, min(self._n_targets, n_draws // len(self.dims)))

    @property
    def fewest_chunks(self) -> int:
        """Chunks that use all dimensions about equally often, in both halves."""
        return 2 * max(4, math.ceil(len(self.dims) / 2 / _CHUNK_SUBSPACES))

    def chunks(self) -> Iterator[Chunk]:
        """The draws, in chunks; without end if no number was given."""
        left = sys.maxsize if self._n_draws is None else self._n_draws
        size = _CHUNK_SUBSPACES
        if self._n_draws is not None:
            size = max(1, min(size, self._n_draws // self._n_targets // 8))
        sequences = [self._subspaces(half, size) for half in (0, 1)]
        for number in itertools.count():
            if left == 0:
                return
            half = number % 2
            dims = next(sequences[half])
            n_targets = self._n_targets
            whole = min(left // n_targets, len(dims))
            if whole == 0:
                whole, n_targets = 1, left
            left -= whole * n_targets
            plan = number, dims[:whole], n_targets
            yield Chunk(half, whole * n_targets, partial(self._effect, *plan), plan)

    def _subspaces(self, half: int, size: int) -> Iterator[np.ndarray]:
        rng = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(0, half)))
        pending = np.empty((0, self._sample_dim), dtype=np.int64)
        for some in subspaces(len(self.dims), self._sample_dim, rng):
            pending = np.concatenate([pending, self.dims[some]])
            while len(pending) >= size:
                yield pending[:size]
                pending = pending[size:]

    def targets(self, number: int, dims: np.ndarray, n_targets: int) -> tuple[np.ndarray, np.ndarray]:
        """The points of a chunk of draws in pairs of dimensions.

        Args:
            number: of the chunk
            dims: (p, 2) int64 dimensions
            n_targets: draws in each pair

        Returns:
            (2, p, t) float64 targets, one for every four draws, and (2, p, s) float64 auxiliary targets, eight a draw
        """
        rng = self._rng(number)
        targets = spread_targets(self._triangles, dims, math.ceil(n_targets / _DRAWS_A_CORRECTION), rng)
        return targets, spread_targets(self._triangles, dims, _AUXILIARY_TARGETS * n_targets, rng)

    def _rng(self, number: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(1, number)))

    def _effect(self, number: int, dims: np.ndarray, n_targets: int) -> Effect:
        if self._sample_dim == 2:
            targets, auxiliary = self.targets(number, dims, n_targets)
            coverage, redundancy = self.score_pairs(dims, targets, auxiliary)
            draws_a_target = n_targets / targets.shape[2]
            return draws_a_target * coverage, draws_a_target * redundancy
        targets = spread_targets(self._triangles, dims, n_targets, self._rng(number))
        dims = np.repeat(dims, n_targets, axis=0)
        points = np.ascontiguousarray(targets.reshape(dims.shape[::-1]).T)
        return self._score(dims, points)

    def score_pairs(self, dims: np.ndarray, targets: np.ndarray, auxiliary: np.ndarray) -> Effect:
        """The effect of targets in pairs of dimensions.

        Args:
            dims: (p, 2) int64 dimensions
            targets: (2, p, t) float64 points in these
            auxiliary: (2, p, s) float64 points that serve as control variates, see :func:`.kernel_pairs.score_pairs`

        Returns:
            coverage and redundancy, (n,) float64 each
        """
        from .grid import Quantiles
        from .kernel_pairs import make_scratch, score_pairs

        columns, params = self._columns, self._params
        effect = np.zeros((2, columns.shape[1]))
        scratch = make_scratch(columns, self._side)
        if not isinstance(columns, PackedColumns):
            quantiles = Quantiles(self._codes, self._edges, self._side)
            score_pairs(columns, quantiles, dims, targets, auxiliary, params, scratch, *effect)
            return effect[0], effect[1]
        for p, pair in enumerate(dims):
            quantiles = Quantiles(columns.cells(pair, self._codes), self._edges[pair], self._side)
            points = (np.ascontiguousarray(some[:, p : p + 1]) for some in (targets, auxiliary))
            score_pairs(columns.unpack(pair), quantiles, _ONE_PAIR, *points, params, scratch, *effect)
        return effect[0], effect[1]


# ---- adding up


class Totals:
    """Running sums, apart for the two halves of a run."""

    def __init__(self, n: int):
        self.coverage = np.zeros((2, n))
        self.redundancy = np.zeros((2, n))
        self.draws = [0, 0]

    @property
    def n_draws(self) -> int:
        """Draws so far, over all parts."""
        return sum(self.draws)

    def add(self, chunk: Chunk, effect: Effect) -> None:
        """Adds one chunk."""
        self.coverage[chunk.half] += effect[0]
        self.redundancy[chunk.half] += effect[1]
        self.draws[chunk.half] += chunk.n_draws

    def halves(self) -> np.ndarray:
        """The scores of either half, scaled to half of the draws; NaN while a half is empty."""
        draws = np.array(self.draws, dtype=np.float64)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            return (self.coverage - self.redundancy) * (draws.sum() / 2 / draws)

    def reliability(self) -> float:
        """Correlation to expect between this run and another one."""
        if 0 in self.draws:
            return float("nan")
        return split_half_reliability(*self.halves())


def run_fixed(chunks: Iterator[Chunk], n_draws: int, totals: Totals, workers: Workers, progress: Progress) -> None:
    """Takes all draws there are."""
    started = time.monotonic()
    for chunk, effect in workers.map(_work, chunks):
        totals.add(chunk, effect)
        done = totals.n_draws / n_draws
        progress(done, f"{totals.n_draws:,} of {n_draws:,} draws{_eta(started, done)}")


def run_adaptive(
    draws: SeededDraws, goal: Goal, time_budget: float | None, totals: Totals, workers: Workers, progress: Progress
) -> float:
    """Takes draws until the goal is reached or the time is up; returns the agreement reached."""
    started = time.monotonic()
    look_at = draws.fewest_chunks
    expected: float = look_at
    reached = 0.0
    for number, (chunk, effect) in enumerate(workers.map(_work, draws.chunks()), start=1):
        totals.add(chunk, effect)
        if number == look_at:
            reached = goal.agreement(*totals.halves())
            if reached >= goal.target:
                break
            expected = number * goal.draws_factor(reached)
            look_at = next_look(number, goal.draws_factor(reached))
        spent = time.monotonic() - started
        out_of_time = time_budget is not None and spent > time_budget and 0 not in totals.draws
        if out_of_time or totals.n_draws >= _MOST_DRAWS * len(totals.coverage[0]):
            break
        done = min(number / expected, 0.99)
        if time_budget is not None:
            done = max(done, spent / max(spent, time_budget))
        reached_of = f"{goal.name} {reached:.2f} of {goal.target:.2f}"
        progress(done, f"{totals.n_draws:,} draws, {reached_of}{_eta(started, done)}")
    reached = goal.agreement(*totals.halves())
    progress(1.0, f"{totals.n_draws:,} draws, {goal.name} {reached:.2f}")
    return reached


def next_look(number: int, factor: float) -> int:
    """After how many chunks the agreement of the halves is looked at next.

    Args:
        number: chunks so far
        factor: how many times as many are expected to be needed
    """
    return 2 * math.ceil(min(max(number * factor, 1.1 * number), 1.5 * number) / 2)


def _work(chunk: Chunk) -> tuple[Chunk, Effect]:
    return chunk, chunk.effect()


def _eta(started: float, done: float) -> str:
    """How long it will still take, once that can be told."""
    if not 0 < done < 1:
        return ""
    seconds = (time.monotonic() - started) * (1 - done) / done
    return f", about {seconds:.0f} s left" if seconds < 120 else f", about {seconds / 60:.0f} min left"
