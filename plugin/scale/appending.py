"""What a source has gained since it was planned: rows whose ids are not there yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..errors import CoresetError
from ..progress import ProgressCallback
from .run import ScaleRun
from .sources import Listed

if TYPE_CHECKING:
    import pyarrow as pa

#: Keys of two hashes: ids that share both are one, for 128 bits do not coincide by chance.
_HASHES = ("first hash of id", "other hash of id")


def id_keys(values: pa.Array, hash_key: str = _HASHES[0]) -> np.ndarray:
    """(m,) uint64 keys of ids or addresses; numbers are their own, texts are hashed."""
    import pyarrow as pa
    from pandas.util import hash_array

    if pa.types.is_integer(values.type):
        return values.to_numpy(zero_copy_only=False).view(np.uint64)
    return hash_array(np.asarray(values.to_pylist(), dtype=object), hash_key=hash_key, categorize=False)


class Known:
    """The rows that a run has already; 32 bytes of memory each.

    Args:
        run: the run
        report: told how far the reading of its ids is

    Attributes:
        kind: the type of ids
        keys: (n,) uint64 keys of their ids, in the order of the run
    """

    def __init__(self, run: ScaleRun, report: ProgressCallback) -> None:
        found: list[list[np.ndarray]] = [[], [], []]
        for unit in range(run.n_units):
            table = run.manifest.read(unit, ["id", "uri"])
            ids, uris = table["id"].combine_chunks(), table["uri"].combine_chunks()
            for into, keys in zip(found, (*_both_keys(ids), id_keys(uris)), strict=True):
                into.append(keys)
            report(0.5 * (unit + 1) / run.n_units, f"ids of {run.starts[unit + 1]:,} of {len(run):,} rows read")
        self.kind = ids.type
        self.keys, checks, addresses = map(np.concatenate, found)
        order = np.argsort(self.keys, kind="stable")
        self._sorted, self._checks, self._addresses = self.keys[order], checks[order], addresses[order]
        self._where = run.folder
        self._moved: list[str | int] = []
        self._n_moved = 0

    def new_of(self, listing: Iterator[Listed]) -> Iterator[Listed]:
        """Of what was listed, the rows whose ids are not there yet."""
        for listed in listing:
            places = self._places(*_both_keys(listed.ids))
            new = np.flatnonzero(places < 0)
            moved = (places >= 0) & (self._addresses[places] != id_keys(listed.uris))
            self._n_moved += int(moved.sum())
            self._moved += listed.ids.filter(moved).slice(0, 3).to_pylist()
            if len(new):
                yield listed.take(new)

    def refuse_moved(self) -> None:
        """Refuses rows that are there with other addresses, once all is listed.

        Raises:
            CoresetError: how many, with examples
        """
        if self._n_moved:
            named = ", ".join(repr(name) for name in self._moved[:3])
            raise CoresetError(
                f"{self._n_moved:,} rows of {self._where} have other addresses by now, e.g. of id {named}; give new "
                "images new ids, or plan a new run in another folder"
            )

    def _places(self, keys: np.ndarray, checks: np.ndarray) -> np.ndarray:
        """(m,) int64 places of ids among the sorted ones, -1 where they are not there."""
        found = np.full(len(keys), -1, dtype=np.int64)
        start, end = (np.searchsorted(self._sorted, keys, side=side) for side in ("left", "right"))
        for offset in range(int((end - start).max(initial=0))):  # once, unless two ids share a key
            place = np.minimum(start + offset, len(self._sorted) - 1)
            same = (start + offset < end) & (self._checks[place] == checks)
            found[same] = place[same]
        return found


def _both_keys(ids: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    return id_keys(ids), id_keys(ids, _HASHES[1])


def filled_up(listing: Iterator[Listed], size: int) -> Iterator[Listed]:
    """Passes on rows of tables and tar files as they were listed, and others in units of a size."""
    waiting: Listed | None = None
    for listed in listing:
        if listed.origin is not None:
            yield listed
            continue
        waiting = listed if waiting is None else waiting.followed_by(listed)
        while len(waiting.ids) >= size:
            yield waiting.take(np.arange(size))
            waiting = waiting.take(np.arange(size, len(waiting.ids)))
    if waiting is not None and len(waiting.ids):
        yield waiting
