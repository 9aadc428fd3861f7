"""``update_coreset``: what came to a dataset since a run is ranked behind what was there, what went is let go."""

from __future__ import annotations

import copy
import datetime
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..coreset_view import in_own_slice
from ..dataset.embeddings import rows_with
from ..dataset.lock import database_faults, run_lock, schema_turn
from ..dataset.rows import Rows, counted
from ..dataset.run_record import run_document
from ..dataset.shown import view_of
from ..errors import CoresetError
from ..progress import ProgressCallback, part_of, reporting
from ..requirements import check_count, require
from ..results import CoresetResults
from ..vectors import half
from ..vectors.added_rows import LOOK_ALIKE, NEAR_COPY, NEW
from .added import Added, AddedPool
from .load import load_run
from .near_duplicates import told_without
from .ranked_vectors import OutdatedCopyError, RankedVectors
from .write import append_to_run, drop_older_results, write_group_ranks

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.view import DatasetView

    from ..diagnostics.curve import CoverageCurve
    from ..diagnostics.first_cover import FirstCover
    from ..vectors.points import Points

#: What an added row can be, and the words for it.
_WORDS = {NEW: "new", LOOK_ALIKE: "look-alikes of one that is there", NEAR_COPY: "near-copies of one that is there"}


@dataclass(frozen=True, repr=False)
class CoresetUpdate:
    """What an update added and removed; prints as a summary.

    Attributes:
        results: the updated run
        ids: ids of the added samples (objects), best first
        kinds: what each is: ``"new"``, ``"look-alike"`` or ``"near-copy"`` of one that was there, or was added before
        removed: how many were let go because they were deleted
        without_embedding: how many of the collection have no usable embedding and stay unranked
        without_fingerprint: how many of the added ones have no fingerprint, so that a near-copy counts as a look-alike

    Examples:
        >>> dataset.delete_samples(dataset.take(3))
        >>> fc.update_coreset(dataset, "coreset").removed
        3
    """

    results: CoresetResults
    ids: list[str]
    kinds: list[str]
    removed: int
    without_embedding: int
    without_fingerprint: int = 0

    def view(self, *kinds: str) -> DatasetView:
        """The added ones, best first.

        Args:
            *kinds: ``"new"``, ``"look-alike"`` or ``"near-copy"``; all by default

        Raises:
            CoresetError: if there is no such kind

        Examples:
            >>> dataset.add_samples([fo.Sample(filepath=path) for path in new_files])
            [...]
            >>> len(fc.update_coreset(dataset, "coreset").view())
            3
        """
        for kind in kinds:
            if kind not in _WORDS:
                raise CoresetError(f"kind must be one of {', '.join(_WORDS)}, got {kind!r}")
        ids = [row_id for row_id, kind in zip(self.ids, self.kinds, strict=True) if not kinds or kind in kinds]
        results = self.results
        rows = Rows(in_own_slice(results, results.samples._root_dataset), results.config.patches_field)
        return view_of(rows, ids, ordered=True)

    def summary(self) -> str:
        """What was added and removed, in sentences.

        Examples:
            >>> dataset.delete_samples(dataset.take(3))
            >>> print(fc.update_coreset(dataset, "coreset").summary())
            0 images were added to run 'coreset'. 3 that were deleted are let go.
        """
        noun, count = self.results.noun, Counter(self.kinds)
        told = ", ".join(f"{count[kind]:,} {words}" for kind, words in _WORDS.items() if count[kind])
        done = f"{counted(len(self.ids), noun)} {'was' if len(self.ids) == 1 else 'were'}"
        text = f"{done} added to run '{self.results.key}'{f': {told}' if told else ''}."
        if self.removed:
            text += f" {self.removed:,} that were deleted are let go."
        if self.without_embedding:
            text += f" {self.without_embedding:,} have no usable embedding and are not ranked."
        return text + told_without(self.without_fingerprint, len(self.ids), noun)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<CoresetUpdate: {len(self.ids):,} added, {self.removed:,} removed; print it to read it>"


def update_coreset(
    samples: SampleCollection,
    brain_key: str = "coreset",
    *,
    embeddings: Any = None,
    num_workers: int | None = None,
    progress: bool | ProgressCallback | None = None,
) -> CoresetUpdate:
    """Takes what was added to a run's collection into its ranking, and lets go what was deleted.

    Nothing that was ranked changes its rank, so every budget and every saved view keeps its images. The added images
    (or objects) get the ranks behind all others, in the order in which the run's method continues from what is there,
    near-copies last: ``results.view(budget, new=k)`` is the old coreset and the best k of the new ones. Scores and
    other figures of a method depend on the whole pool, so the added rows have none. The map places them among the
    others, which stay where they are. Time grows with what was added, but for a product with the run's copy of its
    vectors, and for writing results.

    Missing embeddings are computed first if they are those of :func:`~fiftyone_coreset.compute_embeddings`.

    Args:
        samples: the dataset or one of its views
        brain_key ("coreset"): the name of the run; it is the collection that the run was made on that is looked at
        embeddings (None): the vectors of what was added, by id, if the run was computed from vectors that were given
        num_workers (None): threads; the result does not depend on it
        progress (None): a bar (True/False), a function ``(fraction, message)``, or FiftyOne's default (None)

    Returns:
        what was added and removed

    Raises:
        CoresetError: if there is no such run, its method cannot continue, or the vectors are those of another model

    Examples:
        >>> dataset.add_samples([fo.Sample(filepath=path) for path in new_files])
        [...]
        >>> done = fc.update_coreset(dataset, "coreset")
        >>> len(done.ids)
        3
    """
    require(("numba", "sklearn"))
    check_count("num_workers", num_workers, 1)
    results = load_run(samples, brain_key)
    unharmed = "the run is as it was: see that mongod runs, and call again"
    with (
        database_faults(unharmed),
        run_lock(results.rows().dataset, brain_key) as lock,
        reporting(progress, f"Update of '{brain_key}'") as tell,
    ):
        results = _locked(results, samples, brain_key)
        drop_older_results(results)
        seen = Rows(in_own_slice(results, results.samples), results.config.patches_field)
        if seen.samples._is_generated:
            seen.samples.reload()  # a view of patches or frames is a copy of them
        _embed_missing(results, seen, part_of(tell, 0.0, 0.5))
        tell(0.5, "reading embeddings")
        added = Added.read(results, seen, embeddings)
        gone = int((~added.alive).sum())
        if not len(added.ids) and not gone:
            if results.config.whole_groups:
                write_group_ranks(results)  # slices may have come to groups that are ranked
            return CoresetUpdate(results, [], [], 0, added.without_embedding)
        tell(0.6, f"ranking {len(added.ids):,} {results.noun}")
        try:
            done, to_copy = _taken_in(results, added, num_workers, part_of(tell, 0.6, 0.95))
        except OutdatedCopyError:
            added = replace(added, ranked=RankedVectors.whole(results.embeddings(), results))
            done, to_copy = _taken_in(results, added, num_workers, part_of(tell, 0.6, 0.95))
        tell(0.95, "writing fields")
        append_to_run(done.results, len(done.ids), lock, to_copy)
    return done


def _taken_in(
    results: CoresetResults, added: Added, num_workers: int | None, tell: ProgressCallback
) -> tuple[CoresetUpdate, np.ndarray]:
    """What an update says, with the run as it shall be, and the vectors that the run's copy lacks."""
    pool = AddedPool.of(results, added, num_workers)
    prints = pool.prints()
    without = len(added.ids) if prints is None else int((~prints.known[pool.near.n_pool :]).sum())
    copy_of, kinds = pool.compared(prints)
    order = pool.ranked(copy_of, part_of(tell, 0.0, 0.6))
    tell(0.6, "map and curve")
    new = pool.near.added[order]
    if added.ranked.exact is None:
        new = new.astype(np.float16).astype(np.float32)  # as the others, so that equal vectors stay equal
    unit = np.concatenate([added.ranked.unit[added.alive], new])
    updated = _updated(pool, copy_of, kinds, order, unit)
    goes_on = added.ranked.exact is None and added.alive.all()
    if not goes_on:
        updated.config.vector_copies = []
    ids, gone = added.ids[order].tolist(), int((~added.alive).sum())
    done = CoresetUpdate(updated, ids, kinds[order].tolist(), gone, added.without_embedding, without)
    return done, unit[len(unit) - len(order) :] if goes_on else unit


def _locked(results: CoresetResults, samples: SampleCollection, brain_key: str) -> CoresetResults:
    """The run as it is now that nobody else can change it."""
    dataset, config = results.rows().dataset, results.config
    if config.run_id is None:  # of version 1
        with schema_turn(dataset):
            results.backend.adopt(dataset, brain_key)
        return load_run(samples, brain_key)
    dataset._reload(hard=True)
    document = run_document(dataset, config.run_id)
    if document is None or (document.key, document.config["revision"]) != (brain_key, config.revision):
        raise CoresetError(f"run '{brain_key}' was computed again meanwhile; call again")
    return results


def _embed_missing(results: CoresetResults, seen: Rows, tell: ProgressCallback) -> None:
    """Computes the vectors that are missing in fields that this package wrote."""
    from ..embeddings.compute import compute_embeddings
    from ..embeddings.record import INSTANCE, record_of

    for name in results.config.embeddings or ():
        rows, field = rows_with(seen, name)
        record = record_of(rows, field)
        if record is None or record.get("library") == INSTANCE:
            continue
        rows = rows.as_patches()
        if rows.count(field) < len(rows):
            source = {name: record[name] for name in ("model", "pretrained", "checkpoint")}
            compute_embeddings(rows.samples, field, **source, progress=tell)


def _updated(
    pool: AddedPool, copy_of: np.ndarray, kinds: np.ndarray, order: np.ndarray, unit: np.ndarray
) -> CoresetResults:
    """The run with the added rows behind the living ones.

    Args:
        pool: the rows
        copy_of: (m,) see :meth:`.AddedPool.compared`
        kinds: (m,) what the added rows are
        order: places of the added rows that are ranked, first to keep first
        unit: vectors of unit length of all rows of the run
    """
    results, added, alive = pool.results, pool.added, pool.added.alive
    first = first_free_rank(results)
    groups = None
    if results.near_copies is not None:
        groups = np.concatenate([results.near_copies[alive], pool.groups(copy_of)[order]])
    rank = np.concatenate([results.rank[alive], first + np.arange(len(order))])
    points = results.points
    if points is not None:
        points = np.concatenate([points[alive], _placed(pool, points)[order]])
    unknown = np.full(len(order), np.nan)
    held = results._embeddings if added.ranked.exact is None else added.ranked.exact
    vectors = None if held is None else np.concatenate([held[alive], added.matrix[order]])
    stored = None
    if results.config.embeddings is None and vectors is not None and half.half_bytes(vectors) <= half.MAX_STORED:
        stored, vectors = half.to_half(vectors), None
    prints = results._fingerprints
    if prints is not None and added.fingerprints is not None:
        prints = np.concatenate([prints[alive], added.fingerprints[order]])
    else:
        prints = None
    dropped = np.setdiff1d(np.arange(len(added.ids)), order)
    curve, first_cover = _measured(pool, order, unit, rank, groups)
    updated = CoresetResults(
        results.samples,
        _record(pool, kinds[order], first, len(dropped)),
        results.key,
        ids=np.concatenate([results.ids[alive], added.ids[order]]),
        rank=rank,
        columns={name: np.concatenate([values[alive], unknown]) for name, values in results.columns.items()},
        points=points,
        curve=curve,
        embeddings=vectors,
        first_cover=first_cover,
        near_copies=groups,
        fingerprints=prints,
        vectors=stored,
        left_out=np.concatenate([added.left_out, added.ids[dropped]]),
    )
    return updated


def first_free_rank(results: CoresetResults) -> int:
    """The rank that the next row gets: none is given twice, so that no saved view gains an image."""
    updates = results.config.updates
    given = updates[-1]["first_rank"] + updates[-1]["added"] if updates else 0
    return max(given, int(results.rank.max()) + 1)


def _placed(pool: AddedPool, points: np.ndarray) -> np.ndarray:
    """Points of the added rows on the map of the ranked ones."""
    from ..vectors.projection import place_along, place_between, read_back_rows

    matrix, ranked = pool.added.matrix, pool.added.ranked
    if not len(matrix):
        return points[:0]
    if pool.results.config.projection == "umap":
        nearest, distance = pool.near.of_pool
        return place_between(distance, points[pool.rows[nearest]])
    some = ranked.usable[read_back_rows(len(ranked.usable), matrix.shape[1])]
    return place_along(ranked.of_rows(some), points[some], matrix)


def _record(pool: AddedPool, kinds: np.ndarray, first: int, n_left_out: int) -> Any:
    """The run's record, with one more update."""
    results, added = pool.results, pool.added
    config, count = copy.deepcopy(results.config), Counter(kinds.tolist())
    config.revision += 1
    config.n = int(added.alive.sum()) + len(kinds)
    config.n_missing, config.n_unranked = added.without_embedding, added.unranked + n_left_out
    config.updates = [
        *config.updates,
        {
            "at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "first_rank": first,
            "added": len(kinds),
            "removed": int((~added.alive).sum()),
            **{kind.replace("-", "_"): count[kind] for kind in _WORDS},
        },
    ]
    return config


def _measured(
    pool: AddedPool, order: np.ndarray, unit: np.ndarray, rank: np.ndarray, groups: np.ndarray | None
) -> tuple[CoverageCurve | None, FirstCover | None]:
    """The curve and the map's figures: extended where only rows were added, measured again where rows went."""
    from ..diagnostics.extended_curve import extended_curve
    from ..diagnostics.first_cover import MAX_ROWS, first_cover
    from ..vectors.points import Points

    results, ranking, seed = pool.results, np.argsort(rank), pool.results.config.seed
    curve, known, to_pool = results._curve, results._first_cover, None
    if curve is None:
        return None, None
    radius, duplicate_radius = curve.coverage_radius, curve.near_duplicate_radius
    points = Points(unit, are_unit=True)
    if len(pool.added.ranked.usable) < len(results):
        measured, known = measured_again(curve, points, ranking, groups, seed), None
    else:
        measured, to_pool = extended_curve(curve, points, ranking, groups, seed), pool.near.to_pool[order]
    if results.points is None or len(rank) > MAX_ROWS:
        return measured, None
    by_rank = None if groups is None else groups[ranking]
    return measured, first_cover(
        points, radius, duplicate_radius, by_rank, known=known, to_known=to_pool, order=ranking
    )


def measured_again(
    curve: CoverageCurve, points: Points, ranking: np.ndarray, groups: np.ndarray | None, seed: int
) -> CoverageCurve:
    """The curve of a ranking of which rows went or changed places, with the radii that it had.

    Args:
        curve: the curve of the run so far
        points: the embeddings
        ranking: (n,) rows, first to keep first
        groups: (n,) groups of near-copies, or None
        seed: the run's seed
    """
    from ..diagnostics.coverage import coverage_curve

    return coverage_curve(
        points,
        ranking[np.isin(ranking, points.rows)],
        coverage_radius=curve.coverage_radius,
        near_duplicate_radius=curve.near_duplicate_radius,
        near_copies=groups,
        seed=seed,
    )
