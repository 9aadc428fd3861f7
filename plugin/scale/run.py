"""A run: the folder that holds the manifest and all stages, and what it knows of its rows."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dataset.rows import counted
from ..embeddings.report import Outcome
from ..errors import CoresetError
from ..requirements import require
from .parts import Stage, read_record
from .places import Place, as_place, entries
from .store import StorePath
from .synthetic import SYNTHETIC, SyntheticPool

if TYPE_CHECKING:
    import pyarrow as pa

RECORD = "run.json"
APPENDED = "append-{:04d}.json"
MANIFEST = "manifest"
EMBEDDINGS = "embeddings"
SCORE = "score"
SCORES = "scores.parquet"
SELECT = "select"
#: The folder of columns, by the bits of a number in them.
COLUMNS = {32: "columns", 16: "columns16"}
RANKING = "ranking.parquet"


class ScaleRun:
    """A run in a folder.

    Args:
        folder: the folder

    Raises:
        CoresetError: if no run was planned there

    Attributes:
        folder: the folder
        record: what identifies the input: source, rows, and a hash of the ids and addresses that were planned first
        ends: how many units there were after the plan, and after each time that rows were appended

    What is asked of the vectors as a whole is read once they are all there, and then known; open the run again if they
    are made anew.
    """

    def __init__(self, folder: str | Path | StorePath) -> None:
        require(["pyarrow"])
        self.folder = as_place(folder)
        if not (self.folder / RECORD).is_file():
            raise CoresetError(f"{self.folder} holds no run; plan one first: fiftyone-coreset scale plan SOURCE OUT")
        self.record: dict[str, Any] = read_record(self.folder / RECORD)
        self.ends = [len(self.unit_rows)]
        for path in entries(self.folder, "append-*.json"):
            appended = read_record(path)
            self.record["n"] += appended["n"]
            self.record["unit_rows"] += appended["unit_rows"]
            self.ends.append(len(self.unit_rows))

    @property
    def scratch(self) -> Path:
        """The folder of files that are mapped into memory: that of the run, or one of this machine if it is in a store.

        That is a folder in ``FIFTYONE_CORESET_SCRATCH``, or in ``~/.cache/fiftyone-coreset``.
        """
        if isinstance(self.folder, Path):
            return self.folder
        home = os.environ.get("FIFTYONE_CORESET_SCRATCH") or "~/.cache/fiftyone-coreset"
        digest = hashlib.sha256(str(self.folder).encode()).hexdigest()[:16]
        folder = Path(home).expanduser() / f"{self.folder.name}-{digest}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def unit_rows(self) -> list[int]:
        """Rows of every unit."""
        return self.record["unit_rows"]

    @property
    def n_units(self) -> int:
        """Units of rows."""
        return len(self.unit_rows)

    @cached_property
    def starts(self) -> np.ndarray:
        """(units + 1,) int64 number of the first row of every unit, and the number of all rows."""
        return np.concatenate([[0], np.cumsum(self.unit_rows, dtype=np.int64)])

    def __len__(self) -> int:
        return int(self.record["n"])

    def __str__(self) -> str:
        rows, units = counted(len(self), "rows"), counted(self.n_units, "units")
        return f"{self.folder}: {rows} of {self.record['source']} in {units}"

    @property
    def digest(self) -> str:
        """What identifies the input."""
        return self.record["digest"]

    @property
    def synthetic(self) -> SyntheticPool | None:
        """The pool that was made up, or None."""
        source = self.record["source"]
        return SyntheticPool.parse(source) if source.startswith(SYNTHETIC) else None

    @cached_property
    def manifest(self) -> Stage:
        """The ids and addresses of all rows."""
        return Stage.load(self.folder / MANIFEST)

    @cached_property
    def embeddings(self) -> Stage:
        """The vectors of all rows; their parts may be missing yet."""
        return Stage.load(self.folder / EMBEDDINGS)

    def embeddings_digest(self) -> str:
        """What identifies the vectors.

        Raises:
            CoresetError: if some are missing
        """
        n_rows = int(self.starts[len(self._facts)])  # all, or it raises
        return next(digest for digest, rows in self._digests.items() if rows == n_rows)

    @cached_property
    def _digests(self) -> dict[str, int]:
        """What identifies the vectors before and after rows were appended, as far as they are there, and their rows."""
        digests, found = hashlib.sha256(self.embeddings.key.encode()), {}
        for unit, facts in enumerate(self.vector_facts):
            if facts is None:
                break
            digests.update(facts["digest"].encode())
            if unit + 1 in self.ends:
                found[digests.hexdigest()[:16]] = int(self.starts[unit + 1])
        return found

    def rows_before(self, stage: Stage) -> int | None:
        """How many rows there were when a stage was made, None if none were appended since."""
        rows = self._digests.get(stage.record["input"], len(self))
        return rows if rows < len(self) else None

    def refuse_shorter(self, folder: Place, vectors: str) -> None:
        """Refuses a stage that was made before rows were appended.

        Args:
            folder: of the stage
            vectors: what identifies those that are there now

        Raises:
            CoresetError: which folder is to be deleted
        """
        stage = Stage.load(folder) if Stage.exists(folder) else None
        if stage is None or stage.record["input"] == vectors:
            return
        if (rows := self.rows_before(stage)) is not None:
            raise CoresetError(
                f"{folder} is of the first {rows:,} of {len(self):,} rows; delete it and run the step again"
            )

    @cached_property
    def vector_facts(self) -> list[dict[str, Any] | None]:
        """What the footers of all parts of vectors say, None where a part is missing."""
        return list(self.embeddings.all_facts(range(self.n_units)))

    @cached_property
    def _facts(self) -> list[dict[str, Any]]:
        """What the footers of all parts of vectors say.

        Raises:
            CoresetError: if some are missing
        """
        there = [facts for facts in self.vector_facts if facts is not None]
        if len(there) < self.n_units:
            raise CoresetError(
                f"{self.n_units - len(there):,} of {self.n_units:,} parts of {self.embeddings.folder} are missing; run "
                "scale embed to complete them"
            )
        return there

    def n_usable(self) -> int:
        """Rows that have a vector."""
        return sum(facts["outcomes"].get(Outcome.OK.value, 0) for facts in self._facts)

    def dimension(self) -> int:
        """Length of the vectors.

        Raises:
            CoresetError: if they differ in length
        """
        found = sorted({facts["dimension"] for facts in self._facts})
        if len(found) > 1:
            raise CoresetError(
                f"{self.folder} has vectors of {found[0]} and {found[-1]} numbers; all of a run must be of one model"
            )
        return found[0]

    def model_record(self) -> dict[str, Any] | None:
        """What a field of the vectors says of their model, or None for vectors of a table."""
        return self._facts[0]["model"]

    def usable_rows(self) -> np.ndarray:
        """(n,) int64 numbers of the rows that have a vector."""
        usable = np.ones(len(self), dtype=bool)
        for unit, facts in enumerate(self._facts):
            if facts["outcomes"].get(Outcome.OK.value) != self.unit_rows[unit]:
                outcomes = self.embeddings.read(unit, ["outcome"])["outcome"].to_pylist()
                usable[self.starts[unit] : self.starts[unit + 1]] = np.array(outcomes) == Outcome.OK.value
        return np.flatnonzero(usable)

    def vectors(self, unit: int) -> tuple[np.ndarray, np.ndarray]:
        """The vectors of a unit that are usable.

        Args:
            unit: number of the unit

        Returns:
            a tuple of (m,) int64 numbers of their rows in the run, and (m, d) float32 vectors
        """
        table = self.embeddings.read(unit, ["vector", "outcome"])
        return usable_vectors(table, int(self.starts[unit]))

    def vectors_of(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The vectors of some rows, unit by unit.

        Args:
            rows: (k,) int64 numbers of rows that are usable

        Yields:
            a tuple of (m,) places in ``rows``, and (m, d) float32 vectors
        """
        order = np.argsort(rows)
        ends = np.searchsorted(rows[order], self.starts)
        for unit in np.flatnonzero(np.diff(ends)):
            places = order[ends[unit] : ends[unit + 1]]
            numbers, vectors = self.vectors(int(unit))
            yield places, vectors[np.searchsorted(numbers, rows[places])]

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """(k, d) float32 vectors of (k,) usable rows, in memory."""
        gathered = np.empty((len(rows), self.dimension()), dtype=np.float32)
        for places, part in self.vectors_of(rows):
            gathered[places] = part
        return gathered


def usable_vectors(table: pa.Table, start: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The vectors of rows that have one, and their places, counted from ``start``."""
    import pyarrow.compute as pc

    good = pc.equal(table["outcome"], Outcome.OK.value).combine_chunks()
    usable = np.flatnonzero(np.asarray(good))
    present = table["vector"].combine_chunks().filter(good)
    # flatten() keeps to the slice
    matrix = present.flatten().to_numpy(zero_copy_only=False).reshape(len(usable), present.type.list_size)
    return start + usable, matrix


def open_run(folder: str | Path | StorePath) -> ScaleRun:
    """Opens a run.

    Args:
        folder: the folder of the run

    Returns:
        the run

    Raises:
        CoresetError: if no run was planned there
    """
    return ScaleRun(folder)
