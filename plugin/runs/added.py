"""The rows that came to a run's collection: their vectors, what they repeat, and their order behind what is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..dataset.arguments import ROW_ARGUMENTS, resolve_arguments
from ..dataset.decisions import read_decisions
from ..dataset.embeddings import EmbeddingSource
from ..dataset.followers import around, followers
from ..dataset.labels import read_labels
from ..dataset.rows import Rows, counted
from ..embeddings.calibration import calibrated
from ..embeddings.class_texts import with_class_texts
from ..embeddings.fingerprint_field import read_fingerprints
from ..errors import CoresetError
from ..progress import ProgressCallback
from ..results import CoresetResults
from ..selection.method import Method
from ..selection.registry import get_method
from ..vectors.added_rows import Neighborhood, Prints, copies_among_added, kinds_of_added
from ..vectors.copy_model import CopyModel
from ..vectors.near_duplicates import NearDuplicates
from ..vectors.neighbors import unit_rows
from .ranked_vectors import RankedVectors

#: Arguments that the update itself answers: all that is ranked is preselected, and every added row gets a rank.
_ANSWERED = ("preselected", "deduplicate", "k", "min_per_group")


@dataclass(frozen=True)
class Added:
    """The rows that are to be added.

    Attributes:
        ids: (m,) in the dataset's order
        matrix: (m, d) their vectors
        fingerprints: (m,) of the vectors, or None
        ranked: the vectors of the ranked rows, comparable with ``matrix``
        alive: (n,) the ranked rows that were not deleted
        followers: by what says so, (p, 2) rows of which one was taken right after the other, added ones among them;
            ranked rows are numbered first
        left_out: ids of the rows that the run left out
        unranked: how many rows of the collection stay unranked
        without_embedding: how many of these have no usable vector
    """

    ids: np.ndarray
    matrix: np.ndarray
    fingerprints: np.ndarray | None
    ranked: RankedVectors
    alive: np.ndarray
    followers: dict[str, np.ndarray]
    left_out: np.ndarray
    unranked: int
    without_embedding: int

    @classmethod
    def read(cls, results: CoresetResults, seen: Rows, embeddings: Any) -> Added:
        """Finds and reads them.

        Args:
            results: the run
            seen: the rows of the collection that the run was made on
            embeddings: vectors by id, or None

        Raises:
            CoresetError: if the run does not say what it left out, or the vectors do not fit
        """
        left_out, whole = _left_out(results), results.rows()
        ids = set(seen.unranked_ids(results.rank_field, int(results.rank.max())))
        unseen = ids.difference(results.ids.tolist(), left_out.tolist())
        source = _source(results, embeddings)
        balanced = source.fields is not None and len(source.fields) > 1  # over all rows at once
        alive = results.alive()
        living = results.ids[alive]
        if not len(living):
            raise CoresetError(f"all {len(results):,} {results.noun} that run '{results.key}' ranked were deleted")
        # One row that has a vector is read along, so that none of the others needs one.
        rows = whole if balanced else whole.select([*unseen, living[0]])
        try:
            found = source.load(rows)
        except CoresetError:
            if balanced or not unseen:
                raise
            rows = whole.select(list(unseen))  # what is wrong is to be said of the added rows alone
            found = EmbeddingSource.of(results.config.embeddings or embeddings).load(rows)
        place = {row_id: row for row, row_id in enumerate(rows.ids())}
        if balanced:
            before = np.array([place.get(row_id, -1) for row_id in results.ids.tolist()])
            old = np.where(before[:, None] >= 0, found.matrix[before], np.nan).astype(found.matrix.dtype)
            ranked = RankedVectors.whole(old, results)
        else:
            ranked = RankedVectors.of(results, alive)
        if found.matrix.shape[1] != ranked.unit.shape[1]:
            raise CoresetError(
                f"the vectors of the {counted(len(unseen), results.noun)} to add have {found.matrix.shape[1]} numbers, "
                f"those of run '{results.key}' have {ranked.unit.shape[1]}; use one model"
            )
        at = np.array([row for row_id, row in place.items() if row_id in unseen], dtype=np.int64)
        usable = at[found.valid[at]]
        added = np.array([row_id for row_id in place if row_id in unseen], dtype="U24")[found.valid[at]]
        return cls(
            ids=added,
            matrix=found.matrix[usable],
            fingerprints=None if found.fingerprints is None else found.fingerprints[usable],
            ranked=ranked,
            alive=alive,
            followers={} if results.near_copies is None else _followers(seen, results.ids, added),
            left_out=left_out,
            unranked=len(ids.intersection(left_out.tolist())) + len(at) - len(usable),
            without_embedding=len(at) - len(usable),
        )


def _followers(seen: Rows, ranked: np.ndarray, added: np.ndarray) -> dict[str, np.ndarray]:
    """Neighbours in order of which one is added, see :class:`Added`."""
    row_of = {row_id: row for row, row_id in enumerate([*ranked.tolist(), *added.tolist()])}
    near = around(seen, added.tolist())
    near.hold()
    rows = np.array([row_of.get(row_id, -1) for row_id in near.ids()], dtype=np.int64)
    found = {name: rows[pairs] for name, pairs in followers(near).items()}
    return {name: pairs[(pairs.min(axis=1) >= 0) & (pairs.max(axis=1) >= len(ranked))] for name, pairs in found.items()}


def _left_out(results: CoresetResults) -> np.ndarray:
    """The ids that the run left out though they had a vector."""
    config = results.config
    if results.left_out is not None:
        return results.left_out
    count = (config.n_unranked or 0) - (config.n_missing or 0)
    if count:
        raise CoresetError(
            f"run '{results.key}' left {count:,} {results.noun} out and does not say which, so they cannot be told "
            "from those added since; compute it again with overwrite=True"
        )
    return np.empty(0, dtype="U24")


def _source(results: CoresetResults, embeddings: Any) -> EmbeddingSource:
    """Where the vectors of the added rows are."""
    if results.config.embeddings is not None:
        if embeddings is not None:
            raise CoresetError(
                f"run '{results.key}' reads its vectors from {' + '.join(results.config.embeddings)}; write those of "
                "the added ones there, and leave out embeddings="
            )
        return EmbeddingSource.of(results.config.embeddings)
    if not isinstance(embeddings, Mapping):
        raise CoresetError(
            f"run '{results.key}' was computed from vectors that were given; pass those of the {results.noun} to add "
            "as embeddings=, a dict from id to vector"
        )
    kept = results.ids[results.alive()][:1]
    known = dict(zip(kept.tolist(), results.embeddings()[results.alive()][:1], strict=True))
    ranked = set(results.ids.tolist())  # those of all are welcome too
    return EmbeddingSource.of(known | {row_id: vector for row_id, vector in embeddings.items() if row_id not in ranked})


@dataclass(frozen=True)
class AddedPool:
    """The added rows among the living ranked ones.

    Attributes:
        results: the run
        added: the rows to add
        near: the added rows and their neighbours, see :class:`.Neighborhood`
        rows: (q,) ranked rows that the first rows of ``near`` are
        nearest: (m,) places in ``rows`` of the ranked row that is nearest to each
        in_order: by what says so, (p, 2) rows of ``near`` that follow each other, the later one, which is added, first
        num_workers: threads
    """

    results: CoresetResults
    added: Added
    near: Neighborhood
    rows: np.ndarray
    nearest: np.ndarray
    in_order: dict[str, np.ndarray]
    num_workers: int | None

    @classmethod
    def of(cls, results: CoresetResults, added: Added, num_workers: int | None) -> AddedPool:
        """Finds the neighbours."""
        alive, ranked = added.alive, added.ranked
        usable, new = ranked.usable, unit_rows(added.matrix)[0]
        if not len(new):
            empty = np.empty(0, dtype=np.int64)
            near = Neighborhood(new, 0, empty, empty, np.empty(0, dtype=np.float32))
            return cls(results, added, near, empty, empty, {}, num_workers)
        heads = np.searchsorted(usable, _first_of_group(results, usable)[usable])
        there = np.r_[np.isin(np.arange(len(alive)), usable), np.ones(len(new), dtype=bool)]
        in_order = {name: pairs[there[pairs].all(axis=1)] for name, pairs in added.followers.items()}
        before = np.concatenate([np.empty(0, dtype=np.int64), *(pairs.ravel() for pairs in in_order.values())])
        also = np.searchsorted(usable, before[before < len(alive)])
        old = ranked.unit if len(usable) == len(ranked.unit) else ranked.unit[usable]

        def exactly(rows: np.ndarray) -> np.ndarray:
            return unit_rows(ranked.of_rows(usable[rows]))[0]

        radius = results.curve().near_duplicate_radius
        near, rows, nearest = Neighborhood.of(old, new, heads, also, exactly, radius, num_workers)
        place = np.zeros(len(there), dtype=np.int64)
        place[np.r_[usable[rows], len(alive) + np.arange(len(new))]] = np.arange(near.n_pool + near.n_added)
        in_order = {name: np.sort(place[pairs], axis=1)[:, ::-1] for name, pairs in in_order.items()}
        return cls(results, added, near, usable[rows], nearest, in_order, num_workers)

    def compared(self, prints: Prints | None) -> tuple[np.ndarray, np.ndarray]:
        """Which row each added row is a near-copy of, -1 for none, and what each is.

        Args:
            prints: see :meth:`prints`
        """
        curve = self.results.curve()
        copy_of = np.full(self.near.n_added, -1, dtype=np.int64)
        if prints is not None:
            first = np.searchsorted(self.rows, _first_of_group(self.results, self.rows)[self.rows])
            copy_of = copies_among_added(self.near, prints, first)
        return copy_of, kinds_of_added(self.near, curve.near_duplicate_radius, copy_of)

    def groups(self, copy_of: np.ndarray) -> np.ndarray:
        """(m,) group of near-copies of every added row, numbered on from the run's."""
        known = self.results.near_copies
        assert known is not None
        found = np.concatenate([known[self.rows], int(known.max()) + 1 + np.arange(len(copy_of))])
        for row in np.flatnonzero(copy_of >= 0):
            found[len(self.rows) + row] = found[copy_of[row]]
        return found[len(self.rows) :]

    def ranked(self, copy_of: np.ndarray, progress: ProgressCallback) -> np.ndarray:
        """Places of the added rows that the run's method ranks, first to keep first.

        All that is ranked is kept, so of it only the row nearest to each added one matters to a method that covers.
        Near-copies come last.
        """
        if not self.near.n_added:
            return np.empty(0, dtype=np.int64)
        results, config = self.results, self.results.config
        method = get_method(config.method)
        context = np.unique(np.concatenate([self.nearest, copy_of[(copy_of >= 0) & (copy_of < len(self.rows))]]))
        context = context[np.argsort(results.rank[self.rows[context]], kind="stable")]
        ids = np.concatenate([results.ids[self.rows[context]], self.added.ids])
        matrix = np.concatenate([self.added.ranked.of_rows(self.rows[context]), self.added.matrix])
        rows = results.rows().select(ids.tolist())
        place = {row_id: row for row, row_id in enumerate(ids.tolist())}
        order = np.array([place[row_id] for row_id in rows.ids()], dtype=np.int64)  # as the collection has them
        labels = read_labels(rows, config.label_field)
        arguments = _arguments(results, rows, method, labels)
        try:
            selection = method.select(
                matrix[order],
                1.0,
                labels=labels,
                preselected=np.argsort(order)[: len(context)],
                deduplicate=True,
                near_copies=self._copies(context, copy_of).take(order),
                seed=config.seed,
                num_workers=self.num_workers,
                progress=progress,
                **arguments,
            )
        except CoresetError as error:
            raise CoresetError(
                f"method '{config.method}' of run '{results.key}' cannot go on with what was added: {error}"
            ) from error
        chosen = order[selection.indices]
        return chosen[chosen >= len(context)] - len(context)

    def _copies(self, context: np.ndarray, copy_of: np.ndarray) -> NearDuplicates:
        """Groups of near-copies among the context and the added rows."""
        leader = np.r_[_first_of_group(self.results, self.rows)[self.rows], len(self.results) + np.arange(len(copy_of))]
        for row in np.flatnonzero(copy_of >= 0):
            leader[len(self.rows) + row] = leader[copy_of[row]]
        part = np.r_[context, len(self.rows) + np.arange(len(copy_of))]
        groups = np.unique(leader[part], return_inverse=True)[1].reshape(-1).astype(np.int64)
        central = np.r_[np.zeros(len(context)), copy_of >= 0].astype(np.float32)
        return NearDuplicates(groups, self.results.curve().near_duplicate_radius, False, central, by_pixels=True)

    def prints(self) -> Prints | None:
        """Fingerprints of the rows around the added ones, and of these; None where there are none."""
        if not self.near.n_added:
            return None
        ids = np.concatenate([self.results.ids[self.rows], self.added.ids])
        rows = self.results.rows().select(ids.tolist())
        read = read_fingerprints(rows)
        altered = calibrated(self.results.rows()) if read is not None else None
        if read is None or altered is None:
            return None
        place = {row_id: row for row, row_id in enumerate(rows.ids())}
        order = np.array([place[row_id] for row_id in ids.tolist()], dtype=np.int64)
        facts = self.results.config.facts
        stored, in_order = facts.get("near_copy_model"), facts.get("near_copy_models_in_order") or {}
        model = CopyModel.from_dict(stored, altered) if stored else None
        models = {name: CopyModel.from_dict(of_such, altered) for name, of_such in in_order.items()}
        decisions = read_decisions(self.results.rows().dataset)
        return Prints(
            read[0][order],
            read[1][order],
            model,
            altered,
            lambda one, other: decisions.are_distinct(str(ids[one]), str(ids[other])),
            {name: (pairs, models.get(name)) for name, pairs in self.in_order.items()},
        )


def _first_of_group(results: CoresetResults, rows: np.ndarray) -> np.ndarray:
    """(n,) the first ranked of some rows in the group of near-copies of each; itself where there are no groups."""
    found = np.arange(len(results))
    if results.near_copies is not None:
        backwards = rows[np.argsort(-results.rank[rows])]
        first = np.zeros(int(results.near_copies.max()) + 1, dtype=np.int64)
        first[results.near_copies[backwards]] = backwards
        found[rows] = first[results.near_copies[rows]]
    return found


def _arguments(results: CoresetResults, rows: Rows, method: Method, labels: Any) -> dict[str, Any]:
    """The arguments of the run's method, for the added rows."""
    given = {name: value for name, value in results.config.method_kwargs.items() if name not in _ANSWERED}
    tags = {tag for of_row in (rows.values("tags") if rows.has("tags") else ()) for tag in of_row or ()}
    for name in ROW_ARGUMENTS:
        value = given.get(name)
        if value is not None and not (isinstance(value, str) and (rows.has(value) or value in tags)):
            del given[name]  # it spoke of other rows, or of values that are stored nowhere
    if "groups" not in given or isinstance(given.get("quota"), Mapping):
        given.pop("quota", None)
    source = EmbeddingSource.of(results.config.embeddings or {})
    arguments, _ = resolve_arguments(rows, source.recorded, given)
    missing = [name for name in method.required if name not in arguments]
    if missing:
        raise CoresetError(
            f"run '{results.key}' was given {missing[0]}= as a view or an array, which its record does not hold, so it "
            "cannot go on; compute it again with overwrite=True"
        )
    return with_class_texts(rows, source, labels, arguments) if method.needs_text else arguments
