"""``adjust_coreset``: what people add to a coreset, or never want in it, after a method has ranked."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dataset.lock import database_faults, run_lock
from ..errors import CoresetError
from ..progress import ProgressCallback, reporting
from ..results import CoresetResults
from ..vectors import half
from ..vectors.points import Points
from .load import load_run
from .update import measured_again
from .write import write_run

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection

#: Where the run's record keeps the ids that people added, in the order of their ranks.
_ADDED = "added_by_hand"


def adjust_coreset(
    samples: SampleCollection,
    brain_key: str = "coreset",
    *,
    add: Iterable[str] = (),
    never: Iterable[str] = (),
    progress: bool | ProgressCallback | None = None,
) -> CoresetResults:
    """Puts images (or objects) first in a run's ranking, or takes them out of it.

    The others keep their order, so every budget keeps what was added and fills up with the best of the rest. What was
    added earlier stays in front. Saved views follow. What was taken out has no rank any more; neither a budget of 100 %
    nor :meth:`.CoresetResults.update` brings it back, only computing the run again does.

    Args:
        samples: the dataset or one of its views
        brain_key ("coreset"): the name of the run
        add (()): ids of samples (of labels, if objects were ranked) that every budget is to keep, first to keep first
        never (()): ids of those that no budget is to keep
        progress (None): a bar (True/False), a function ``(fraction, message)``, or FiftyOne's default (None)

    Returns:
        the run as it is now

    Raises:
        CoresetError: if an id is in both, or is none of the ranked rows, or nothing would be left; nothing is changed

    Examples:
        >>> first = dataset.first().id
        >>> results = fc.adjust_coreset(dataset, "coreset", add=[first])
        >>> results.view(1).first().id == first
        True
    """
    wanted, unwanted = list(dict.fromkeys(add)), list(dict.fromkeys(never))
    with (
        database_faults("the run is as it was: see that mongod runs, and call again"),
        run_lock(load_run(samples, brain_key).rows().dataset, brain_key) as lock,
        reporting(progress, f"Run '{brain_key}'") as tell,
    ):
        results = load_run(samples, brain_key)
        keep = _checked(results, wanted, unwanted)
        tell(0.1, "ranking")
        adjusted = _adjusted(results, keep, wanted)
        tell(0.6, "writing fields")
        write_run(adjusted, lock, overwrite=True)
    return adjusted


def _checked(results: CoresetResults, wanted: list[str], unwanted: list[str]) -> np.ndarray:
    """(n,) bool, the rows that stay in the ranking; refuses what cannot be done."""
    both = set(wanted) & set(unwanted)
    if both:
        raise CoresetError(f"{len(both)} of the ids are to be added and never to be taken, e.g. {min(both)!r}")
    ranked, alive = set(results.ids.tolist()), results.alive()
    strangers = [row_id for row_id in (*wanted, *unwanted) if row_id not in ranked]
    if strangers:
        raise CoresetError(
            f"run '{results.key}' does not rank {len(strangers)} of the {len(wanted) + len(unwanted)} {results.noun} "
            f"given, e.g. {strangers[0]!r}; leave them out, or compute it again to rank them"
        )
    keep = alive & ~np.isin(results.ids, unwanted)
    if keep.sum() < 2:
        raise CoresetError(f"of run '{results.key}' fewer than 2 {results.noun} would be left")
    return keep


def _adjusted(results: CoresetResults, keep: np.ndarray, wanted: list[str]) -> CoresetResults:
    """The run of the rows that stay, those that are wanted first."""
    ids = results.ids[keep]
    earlier = [row_id for row_id in results.config.facts.get(_ADDED, []) if row_id not in set(wanted)]
    place = {row_id: number for number, row_id in enumerate([*earlier, *wanted])}
    turn = np.array([place.get(row_id, len(place)) for row_id in ids.tolist()])
    ranking = np.lexsort((results.rank[keep], turn))
    rank = np.empty(len(ids), dtype=np.int64)
    rank[ranking] = _ranks(results, keep)
    vectors = results.embeddings()[keep]
    groups = None if results.near_copies is None else results.near_copies[keep]
    curve = None
    if results._curve is not None:
        curve = measured_again(results._curve, Points(vectors), ranking, groups, results.config.seed)
    stored = half.to_half(vectors) if results._vectors is not None else None
    left_out = np.empty(0, dtype=results.ids.dtype) if results.left_out is None else results.left_out
    gone = results.ids[results.alive() & ~keep]
    return CoresetResults(
        results.samples,
        _record(results, [row_id for row_id in place if row_id in set(ids.tolist())], len(ids), len(gone)),
        results.key,
        ids=ids,
        rank=rank,
        columns={name: values[keep] for name, values in results.columns.items()},
        points=None if results.points is None else results.points[keep],
        curve=curve,
        embeddings=vectors if stored is None else None,
        near_copies=groups,
        fingerprints=None if results._fingerprints is None else results._fingerprints[keep],
        vectors=stored,
        left_out=np.concatenate([left_out, gone]),
    )


def _ranks(results: CoresetResults, keep: np.ndarray) -> np.ndarray:
    """The ranks to give, ascending: without gaps, but what an update added begins where it began."""
    starts = np.array([0, *(update["first_rank"] for update in results.config.updates)])
    part = np.searchsorted(starts, np.sort(results.rank[keep]), side="right") - 1
    within = np.arange(len(part)) - np.searchsorted(part, part)
    return starts[part] + within


def _record(results: CoresetResults, added: list[str], n: int, n_gone: int) -> Any:
    config = copy.deepcopy(results.config)
    config.n, config.n_unranked = n, (config.n_unranked or 0) + n_gone
    config.facts = config.facts | {_ADDED: added}
    return config
