"""What people decided about near-duplicates: which images are no copies of each other, and which one stands for its
group.

Decisions are about images, not about a model or a run, so they belong to the dataset: FiftyOne's execution store of the
dataset holds an entry for each, and two people who decide at the same time lose nothing. They are deleted with it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

from ..errors import CoresetError

if TYPE_CHECKING:
    from fiftyone.core.dataset import Dataset

_STORE = "fiftyone-coreset-near-duplicates"
_APART, _REPRESENTATIVE = "apart", "representative"

#: Ids that one decision may name: what MongoDB holds in a document, with room to spare.
_MOST_IDS = 100_000


@dataclass(frozen=True)
class Decisions:
    """Decisions of a dataset.

    Attributes:
        apart: a tuple of parts for each decision; ids of different parts are no copies of each other
        representatives: ids that are to stand for their group, in the order in which that was decided
    """

    apart: tuple[tuple[tuple[str, ...], ...], ...] = ()
    representatives: tuple[str, ...] = ()

    def are_distinct(self, a: str, b: str) -> bool:
        """Whether two rows were declared to be no copies of each other."""
        mine, theirs = self._parts.get(a, {}), self._parts.get(b, {})
        return any(theirs.get(number, part) != part for number, part in mine.items())

    def distinct_pairs(self) -> Iterator[tuple[str, str]]:
        """All pairs of ids that were declared to be no copies of each other, e.g. to calibrate with."""
        for parts in self.apart:
            for left, right in combinations(parts, 2):
                yield from product(left, right)

    def regrouped(self, group: Sequence[str]) -> list[list[str]]:
        """A group of near-duplicates as the decisions have it.

        Args:
            group: ids, the representative first

        Returns:
            the groups of at least two ids that are left of it, the representative of each first: every id joins the
            first one that holds nothing it was declared distinct from
        """
        parts: list[tuple[list[str], list[str]]] = []
        for row_id in group:
            disputed = row_id in self._parts
            home = next((p for p in parts if not disputed or not self._any_distinct(row_id, p[1])), None)
            if home is None:
                home = ([], [])
                parts.append(home)
            home[0].append(row_id)
            if disputed:
                home[1].append(row_id)
        return [self._led(members) for members, _ in parts if len(members) > 1]

    def _any_distinct(self, row_id: str, others: Iterable[str]) -> bool:
        return any(self.are_distinct(row_id, other) for other in others)

    def _led(self, members: list[str]) -> list[str]:
        """The members, the one first that was made their representative last."""
        leader = max(members, key=lambda row_id: self._turns.get(row_id, -1))
        if leader not in self._turns:
            return members
        return [leader, *(row_id for row_id in members if row_id != leader)]

    @cached_property
    def _parts(self) -> dict[str, dict[int, int]]:
        """The part of every id in every decision that names it."""
        found: dict[str, dict[int, int]] = {}
        for number, parts in enumerate(self.apart):
            for place, part in enumerate(parts):
                for row_id in part:
                    found.setdefault(row_id, {})[number] = place
        return found

    @cached_property
    def _turns(self) -> dict[str, int]:
        return {row_id: turn for turn, row_id in enumerate(self.representatives)}


def decide_apart(dataset: Dataset, parts: Sequence[Sequence[str]]) -> str:
    """Remembers that images (or objects) of different parts are no copies of each other.

    Args:
        dataset: the dataset
        parts: ids of samples, or of labels; two parts at least

    Returns:
        the name of the decision, see :func:`withdraw`

    Raises:
        CoresetError: if there are too many of them for one decision
    """
    named = sum(map(len, parts))
    if named > _MOST_IDS:
        raise CoresetError(f"one decision can name at most {_MOST_IDS:,} images or objects, got {named:,}")
    return _remember(dataset, {_APART: [list(part) for part in parts]})


def decide_representative(dataset: Dataset, row_id: str) -> str:
    """Remembers that an image (or object) is to stand for its group.

    Args:
        dataset: the dataset
        row_id: id of a sample, or of a label

    Returns:
        the name of the decision, see :func:`withdraw`
    """
    return _remember(dataset, {_REPRESENTATIVE: row_id})


def withdraw(dataset: Dataset, decision: str) -> None:
    """Forgets a decision; nothing happens if it was forgotten before."""
    _store(dataset).delete(decision)


def read_decisions(dataset: Dataset) -> Decisions:
    """Reads all decisions of a dataset."""
    from fiftyone.core.odm import get_db_conn

    # The store reads an entry at a time. Two decisions of one millisecond are told apart by the id that the database
    # gave them: it counts up.
    found = get_db_conn()["execution_store"].find(
        {"store_name": _STORE, "dataset_id": dataset._doc.id, "key": {"$ne": "__store__"}},
        sort=[("created_at", 1), ("_id", 1)],
    )
    values = [entry["value"] for entry in found]
    apart = tuple(tuple(map(tuple, value[_APART])) for value in values if _APART in value)
    return Decisions(apart, tuple(value[_REPRESENTATIVE] for value in values if _REPRESENTATIVE in value))


def _store(dataset: Dataset) -> Any:
    from fiftyone.operators.store import ExecutionStore

    return ExecutionStore.create(_STORE, dataset_id=dataset._doc.id)


def _remember(dataset: Dataset, value: dict[str, Any]) -> str:
    decision = uuid.uuid4().hex
    _store(dataset).set(decision, value)
    return decision
