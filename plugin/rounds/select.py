"""The rows of a batch: by a method, a share of them at random, one of each group of near-duplicates."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dataset.boxes import read_box_vectors
from ..errors import CoresetError
from ..progress import ProgressCallback
from ..selection.box_diversity import box_distances, medoids
from ..selection.costs import affordable
from ..selection.predictions import class_groups
from ..selection.registry import get_method
from ..vectors.near_duplicates import EXACT_ROWS
from ..vectors.neighbors import pairwise_distances, unit_rows
from ..vectors.row_hash import seeded_order
from .choice import Choice
from .coverage import within
from .prices import Prices

if TYPE_CHECKING:
    from ..selection.method import Selection

#: How images in which a detector finds nothing are chosen.
_BLIND_METHOD = "maxherding"

#: Rows, in units of the batch, that are ranked for those to be chosen whose boxes stand for the others' (PPAL).
_SHORTLIST = 4

#: The selection of so many new rows, and these rows, first to label first.
Select = Callable[[int], tuple["Selection", np.ndarray]]


@dataclass(frozen=True)
class Chosen:
    """A batch.

    Attributes:
        selection: what the method chose
        rows: (k,) int64 rows, first to label first, those drawn at random before the others
        n_random: how many were drawn at random
        n_blind: how many a detector finds nothing in; they come last
    """

    selection: Selection
    rows: np.ndarray
    n_random: int
    n_blind: int = 0


def select_batch(
    choice: Choice,
    name: str,
    budget: float,
    prices: Prices | None,
    arguments: dict[str, Any],
    *,
    random_share: float,
    blind_share: float,
    balance: bool,
    deduplicate: bool,
    seed: int,
    num_workers: int | None,
    progress: ProgressCallback,
) -> Chosen:
    """Chooses the rows of a batch.

    Args:
        choice: what there is to choose from
        name: the method
        budget: rows, or what may be spent
        prices: what labels cost, or None
        arguments: of the method
        random_share: share of the batch that is drawn at random; the method continues from it as from labelled rows
        blind_share: share of it, or of the budget, for images in which a detector finds nothing
        balance: whether the classes, as they are labelled or predicted, take turns, those with few labels first
        deduplicate: whether one row of each group of near-duplicates comes before any second one
        seed: the random seed
        num_workers: threads
        progress: a progress callback

    Raises:
        CoresetError: if the method cannot choose, or nothing is left
    """
    method, candidates = get_method(name), choice.candidates
    if method.needs_model and choice.model.predictions is None:
        raise CoresetError(f"method '{name}' needs predictions: {choice.model.notes[0]}")
    if not candidates.any():
        left = "; ".join(choice.left_out()) or "all have a label"
        raise CoresetError(f"nothing is left to label of {len(candidates):,} {choice.standing.rows.noun}: {left}")
    if prices is not None:
        candidates = candidates & ~prices.too_dear
    if balance:
        arguments = arguments | _turns(choice)
    n = int(candidates.sum())
    size = n if prices is not None else min(int(budget), n)
    drawn = _drawn(choice, candidates, min(round(random_share * size), size - 1), seed)
    free = candidates.copy()
    free[drawn] = False
    known = choice.preselected.copy()
    known[drawn] = True
    blind = _blind(choice, free, known, blind_share, size, prices, seed, num_workers)[: size - len(drawn) - 1]
    free[blind], known[blind] = False, True
    weighs = prices is not None and "cost" in method.per_row
    if prices is not None:
        prices = prices.less(blind)
        if weighs:
            arguments = {**arguments, "cost": prices.cost, "cost_budget": prices.budget}
    copies, by_picks = None, False
    if deduplicate:
        from ..runs.near_duplicates import find_near_copies

        if choice.near_anchors is None:
            copies = find_near_copies(choice.standing.rows, choice.found, seed=seed, num_workers=num_workers)
        by_picks = copies is None and (choice.near_anchors is not None or len(candidates) > EXACT_ROWS)
    labels = choice.standing.known(choice.found.valid) if method.needs_labels else None

    def select(k: int) -> tuple[Selection, np.ndarray]:
        selection = method.select(
            choice.found.matrix,
            int(known.sum()) + k,
            labels=labels,
            predictions=choice.model.predictions,
            head=choice.model.head,
            preselected=known,
            excluded=~free & ~known,
            deduplicate=deduplicate and not by_picks,
            near_copies=copies,
            seed=seed,
            num_workers=num_workers,
            progress=progress,
            **arguments,
        )
        return selection, selection.indices[free[selection.indices]]

    distinct = _distinct(choice, select, known, int(free.sum())) if by_picks else select
    if choice.model.boxes is not None and choice.model.boxes.embeddings is not None:
        distinct = _unlike(choice, distinct, int(free.sum()), seed)
    if prices is not None:
        selection, batch = prices.pay(distinct, free, weighs)
    else:
        selection, batch = distinct(size - len(drawn) - len(blind))
    return Chosen(selection, np.concatenate([drawn, batch, blind]), len(drawn), len(blind))


def _turns(choice: Choice) -> dict[str, Any]:
    """The constraints under which classes take turns."""
    predictions = choice.model.predictions
    if predictions is None:
        raise CoresetError(f"balance=True needs predictions: {choice.model.notes[0]}")
    if not predictions.classes:
        raise CoresetError("balance=True needs predicted classes, and these predictions have none")
    return {"groups": class_groups(predictions, choice.standing.known(choice.found.valid)), "quota": "uniform"}


def _drawn(choice: Choice, candidates: np.ndarray, k: int, seed: int) -> np.ndarray:
    """K candidates at random, whatever the order of the files."""
    return seeded_order(choice.found.matrix, seed, np.flatnonzero(candidates))[:k]


def _blind(
    choice: Choice,
    free: np.ndarray,
    known: np.ndarray,
    share: float,
    size: int,
    prices: Prices | None,
    seed: int,
    num_workers: int | None,
) -> np.ndarray:
    """A share of the batch from images in which a detector finds nothing, by coverage."""
    boxes = choice.model.boxes
    unseen = np.zeros(len(free), dtype=bool) if boxes is None else free & boxes.is_blind
    if not unseen.any():
        return np.empty(0, dtype=np.int64)
    k = round(share * size) if prices is None else math.ceil(share * prices.budget / np.median(prices.cost[unseen]))
    k = min(int(unseen.sum()), k)
    if k == 0:
        return np.empty(0, dtype=np.int64)
    paid: dict[str, Any] = {} if prices is None else {"cost": prices.cost, "cost_budget": share * prices.budget}
    chosen = get_method(_BLIND_METHOD).select(
        choice.found.matrix,
        int(known.sum()) + k,
        preselected=known,
        excluded=~unseen & ~known,
        seed=seed,
        num_workers=num_workers,
        **paid,
    )
    rows = chosen.indices[unseen[chosen.indices]]
    return rows if prices is None else affordable(rows, prices.cost, share * prices.budget)


def _unlike(choice: Choice, select: Select, n_free: int, seed: int) -> Select:
    """Of several times as many rows those whose boxes stand for the others', the first to label first."""

    def unlike(k: int) -> tuple[Selection, np.ndarray]:
        selection, rows = select(min(_SHORTLIST * k, n_free))
        boxes = choice.model.boxes
        assert boxes is not None
        found = read_box_vectors(choice.standing.rows, boxes, choice.standing.ids[rows].tolist())
        apart = box_distances(found.images, found.classes, found.scores, found.vectors, len(rows))
        return selection, rows[medoids(apart, k, seed)]

    return unlike


def _distinct(choice: Choice, select: Select, known: np.ndarray, n_free: int) -> Select:
    """Of a large pool only what was picked is compared, with each other and with what is known: groups of all rows
    would take longer than everything else.
    """

    def distinct(k: int) -> tuple[Selection, np.ndarray]:
        asked, labelled = k, unit_rows(choice.found.matrix[known])[0]
        while True:
            selection, rows = select(asked)
            picks = unit_rows(choice.found.matrix[rows])[0]
            is_copy = within(picks, labelled, choice.near_duplicate_radius)
            close = pairwise_distances(picks, picks) <= choice.near_duplicate_radius
            for place in range(1, len(rows)):
                is_copy[place] |= (close[place, :place] & ~is_copy[:place]).any()
            if len(rows) - is_copy.sum() >= k or asked >= n_free:
                return selection, np.concatenate([rows[~is_copy], rows[is_copy]])[:k]
            asked = min(n_free, max(2 * asked, k + 2 * int(is_copy.sum())))

    return distinct
