"""Quotas of a selection: groups of rows by a column of the source, and how many rows each of them gives."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CoresetError
from ..selection.apportion import places_within, take_turns
from ..selection.quotas import factorize, resolve_quota, rule_shares
from .run import ScaleRun
from .sources import FIFTYONE, fiftyone_dataset
from .tables import ListedTables, read_listed

if TYPE_CHECKING:
    import pyarrow as pa

#: More groups than this are not divided: each is divided among all cells by itself, and their counts lie in memory.
_MOST_GROUPS = 10_000


@dataclass(frozen=True)
class Groups:
    """Rows of a run by the values of a column.

    Attributes:
        column: its name
        of_rows: (n,) int32 group of every row, -1 without a vector
        names: of the groups, in an order that does not depend on that of the rows; None for rows without a value
    """

    column: str
    of_rows: np.ndarray
    names: list[Hashable]

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What identifies them in the record of a selection."""
        digest = hashlib.sha256(self.of_rows.tobytes())
        digest.update(json.dumps([str(name) for name in self.names]).encode())
        return {"column": self.column, "digest": digest.hexdigest()[:16]}

    def named(self, quota: Any) -> Any:
        """A quota whose groups are those of the column: a shell and a recipe name whole numbers by texts, too."""
        if not isinstance(quota, Mapping):
            return quota
        by_text = {str(name): name for name in self.names}
        return {by_text.get(str(name), name): value for name, value in quota.items()}

    def among(self, rows: np.ndarray) -> Groups:
        """The groups of some rows, as if there were no others."""
        present = np.flatnonzero(np.bincount(self.of_rows[rows], minlength=len(self.names)))
        numbers, names = factorize([self.names[group] for group in present])
        new = np.full(len(self.names), -1, dtype=np.int32)
        new[present] = numbers
        of_rows = np.full(len(self.of_rows), -1, dtype=np.int32)
        of_rows[rows] = new[self.of_rows[rows]]
        return Groups(self.column, of_rows, names)

    def values(self, rows: np.ndarray) -> np.ndarray:
        """The names of the groups of some rows."""
        names = np.empty(len(self.names), dtype=object)
        names[:] = self.names
        return names[self.of_rows[rows]]


@dataclass(frozen=True)
class Quotas:
    """How a selection is divided among groups.

    Attributes:
        groups: the groups
        counts: (g,) int64 rows that every group gives, those that are kept already included
        turns: (g,) positive numbers in whose proportion groups take turns
        taken: (g,) int64 rows that are kept already
    """

    groups: Groups
    counts: np.ndarray
    turns: np.ndarray
    taken: np.ndarray

    @classmethod
    def of(
        cls, groups: Groups, quota: str | Mapping[Any, float] | None, min_per_group: int, keep: int, given: np.ndarray
    ) -> Quotas:
        """Divides a selection as :meth:`.method.Method.select` divides it.

        Args:
            groups: the groups
            quota: a rule, ``"proportional"`` for None, or a mapping of group to count or share
            min_per_group: least number of rows of each group; smaller groups are kept whole
            keep: rows wanted in all
            given: int64 rows that are kept already

        Raises:
            CoresetError: if that cannot be met
        """
        of_rows, n_groups = groups.of_rows, len(groups.names)
        sizes = np.bincount(of_rows[of_rows >= 0], minlength=n_groups)
        taken = np.bincount(of_rows[given], minlength=n_groups)
        quota = "proportional" if quota is None else quota
        counts = resolve_quota(quota, groups.names, sizes, keep, taken=taken, min_per_group=min_per_group)
        turns = np.maximum(counts, 1).astype(float)
        if keep == sizes.sum() and isinstance(quota, str):  # a ranking: every budget is to be divided by the rule
            turns = rule_shares(quota, sizes)
        return cls(groups, counts, turns, taken)

    def count(self, rows: np.ndarray, cell_of: np.ndarray, n_cells: int) -> np.ndarray:
        """(c, g) int64 how many of some rows every cell has of every group."""
        n_groups = len(self.counts)
        both = cell_of[rows].astype(np.int64) * n_groups + self.groups.of_rows[rows]
        return np.bincount(both, minlength=n_cells * n_groups).reshape(n_cells, n_groups)

    def ordered(self, rows: np.ndarray, given: np.ndarray) -> np.ndarray:
        """The rows to keep in order: those given, then those of all groups in turns.

        Args:
            rows: int64 rows; of each group the first to keep come first, those given at the beginning
            given: int64 rows that are kept already, in their order
        """
        codes = self.groups.of_rows[rows]
        rows = rows[places_within(codes, len(self.counts)) < self.counts[codes]]
        rows = rows[np.argsort(self.groups.of_rows[rows], kind="stable")]  # of equal turns the lower group comes first
        others = rows[~np.isin(rows, given)]
        return np.concatenate([given, take_turns(others, self.groups.of_rows, self.turns, self.taken)])


def read_groups(run: ScaleRun, column: str) -> Groups:
    """Reads the groups of the rows of a run from the source it was planned from.

    Args:
        run: a run whose vectors are all there
        column: a column of its table, or a field of its FiftyOne dataset

    Raises:
        CoresetError: if the source has no such column, was changed since it was listed, or the column does not hold
            texts, numbers or truths
    """
    codes = np.empty(len(run), dtype=np.int32)
    numbers: dict[Hashable, int] = {}
    for unit, values in enumerate(_values(run, column)):
        places, found = _factorized(values, column)
        of_found = np.array([numbers.setdefault(name, len(numbers)) for name in found], dtype=np.int32)
        codes[run.starts[unit] : run.starts[unit + 1]] = of_found[places]
        if len(numbers) > _MOST_GROUPS:
            raise CoresetError(
                f"groups: column '{column}' has more than {_MOST_GROUPS:,} values; choose one that divides the rows "
                "into fewer"
            )
    return Groups(column, codes, list(numbers)).among(run.usable_rows())


def _values(run: ScaleRun, column: str) -> Iterator[pa.Array | Sequence[Any]]:
    """The values of a column, unit by unit."""
    source = run.record["source"]
    if source.startswith(FIFTYONE):
        dataset = fiftyone_dataset(source)
        try:
            known = dict(zip(*dataset.values(["id", column]), strict=True))
        except ValueError as error:
            raise CoresetError(f"groups: dataset '{dataset.name}' has no field '{column}' ({error})") from error
        for unit in range(run.n_units):
            yield [known.get(name) for name in run.manifest.read(unit, ["id"])["id"].to_pylist()]
        return
    tables = ListedTables()
    for unit in range(run.n_units):
        rows, facts = run.manifest.part(unit, ["id"])
        if "file" not in (facts["origin"] or {}):
            raise CoresetError(
                f"groups: {source} has no columns; plan a run of a table that has one beside ids and addresses"
            )
        table = tables(facts["origin"])
        if column not in table.schema.names:
            raise CoresetError(
                f"groups: '{column}' is no column of {table.place}; its columns are {', '.join(table.schema.names)}"
            )
        yield read_listed(table, column, facts["origin"], 0, len(rows))


def _factorized(values: pa.Array | Sequence[Any], column: str) -> tuple[np.ndarray, list[Hashable]]:
    """(m,) int64 which of some distinct values every row has, and these; None for NaN."""
    import pyarrow as pa

    try:
        found = pa.array(values)
        if not pa.types.is_dictionary(found.type):
            found = found.dictionary_encode(null_encoding="encode")
        names = [*found.dictionary.to_pylist(), None]  # a column of categories keeps nulls out of them
        places = found.indices.fill_null(len(names) - 1).to_numpy(zero_copy_only=False)
    except (pa.ArrowException, TypeError) as error:
        raise CoresetError(
            f"groups: column '{column}' does not hold texts, numbers or truths ({error}); choose another"
        ) from error
    return places, [None if name != name else name for name in names]
