"""Numbered Parquet parts of one stage: a part is complete or not there, and says which stage it belongs to.

A part is there when it is whole, so a process that is killed leaves what was there. Its footer holds the key of its
stage, and every page a checksum, so what belongs to another run, or was damaged, is never mixed in.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from ..errors import CoresetError
from .places import Place, entries, readable, write_atomically, write_once
from .store import at_once

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
_RECORD = "stage.json"
_FOOTER_KEY = b"coreset"


class Part(NamedTuple):
    """A part that was read.

    Attributes:
        table: its rows
        facts: what its footer says
    """

    table: pa.Table
    facts: dict[str, Any]


class Stage:
    """The parts of one stage in a folder, and the record of what they were made from.

    Args:
        folder: the folder
        record: JSON-able facts that identify the stage: its input and its arguments
    """

    def __init__(self, folder: Place, record: Mapping[str, Any]) -> None:
        self.folder = folder
        self.record = dict(record)
        self.key = hashlib.sha256(_json(self.record).encode()).hexdigest()[:16]

    @classmethod
    def begin(cls, folder: Place, record: Mapping[str, Any]) -> Stage:
        """Begins a stage, or continues it if it was begun with the same record.

        Raises:
            CoresetError: if the folder holds a stage with another record
        """
        stage = cls(folder, {"format": FORMAT_VERSION, **record})
        folder.mkdir(parents=True, exist_ok=True)
        if not write_record(folder / _RECORD, stage.record):
            there = cls.load(folder)
            if there.key != stage.key:
                known = {**stage.record, **there.record}
                names = [name for name in known if stage.record.get(name) != there.record.get(name)]
                name = names[0] if names else "format"
                ours, theirs = stage.record.get(name), there.record.get(name)
                made = f"with {name}={theirs!r}, not {ours!r}"
                if ours is None:
                    made = f"with {name}={theirs!r}, which is not asked for now"
                elif theirs is None:
                    made = f"without {name}={ours!r}"
                raise CoresetError(
                    f"{folder} was made {made}; use the same again, or delete that folder to make it anew"
                )
        return stage

    @classmethod
    def load(cls, folder: Place) -> Stage:
        """The stage in a folder.

        Raises:
            CoresetError: if there is none, or it cannot be read
        """
        return cls(folder, read_record(folder / _RECORD))

    @classmethod
    def exists(cls, folder: Place) -> bool:
        """Whether a stage was begun in a folder."""
        return (folder / _RECORD).is_file()

    def path(self, number: int) -> Place:
        """The file of a part."""
        return self.folder / f"part-{number:08d}.parquet"

    def facts(self, number: int) -> dict[str, Any] | None:
        """What the footer of a part says, or None if the part is not there or is damaged.

        Raises:
            CoresetError: if the part belongs to something else
        """
        return footer(self.path(number), self.key)

    def all_facts(self, numbers: Iterable[int]) -> Iterator[dict[str, Any] | None]:
        """What :meth:`facts` says of some parts, in order; what a listing lacks is not opened."""
        there = {path.name for path in entries(self.folder, "part-*.parquet")}
        return at_once(lambda number: self.facts(number) if self.path(number).name in there else None, numbers)

    def missing(self, numbers: Sequence[int]) -> list[int]:
        """The parts that are not there, or are damaged."""
        found = zip(numbers, self.all_facts(numbers), strict=True)
        return [number for number, facts in found if facts is None]

    def write(
        self,
        number: int,
        table: pa.Table,
        facts: Mapping[str, Any] | None = None,
        row_groups: Sequence[int] | None = None,
    ) -> str:
        """Writes a part and returns its digest; see :func:`write_table`."""
        return write_table(self.path(number), table, self.key, {"unit": number, **(facts or {})}, row_groups)

    def read(self, number: int, columns: list[str] | None = None, row_group: int | None = None) -> pa.Table:
        """Reads a part, or one row group of it.

        Raises:
            CoresetError: if it is not there, is damaged, or belongs to something else
        """
        return self.part(number, columns, row_group).table

    def part(self, number: int, columns: list[str] | None = None, row_group: int | None = None) -> Part:
        """Reads a part as :meth:`read` does, and its footer."""
        return _read(self.path(number), self.key, columns, row_group)

    def sweep(self) -> None:
        """Removes what killed processes were writing; for whoever is the only writer."""
        if isinstance(self.folder, Path):  # a store shows nothing before it is whole
            for file in self.folder.glob(".*.tmp"):
                file.unlink(missing_ok=True)


class Footers:
    """What the footers of a stage say while its parts are made: one that was read is not read again.

    Args:
        stage: the stage
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._read: dict[int, dict[str, Any]] = {}

    def add(self, number: int, facts: dict[str, Any]) -> None:
        """Keeps what the footer of a part says that was just made, so that it need not be read."""
        self._read[number] = facts

    def facts(self, numbers: Sequence[int]) -> list[dict[str, Any] | None]:
        """What the footers of some parts say, None where a part is not there, or is damaged."""
        unknown = [number for number in numbers if number not in self._read]
        found = zip(unknown, self._stage.all_facts(unknown), strict=True)
        self._read.update({number: facts for number, facts in found if facts is not None})
        return [self._read.get(number) for number in numbers]

    def missing(self, numbers: Sequence[int]) -> list[int]:
        """The parts that are not there, or are damaged."""
        return [number for number, facts in zip(numbers, self.facts(numbers), strict=True) if facts is None]

    def whole(self, numbers: Sequence[int]) -> list[dict[str, Any]] | None:
        """What the footers of some parts say, None unless all are there."""
        there = [facts for facts in self.facts(numbers) if facts is not None]
        return there if len(there) == len(numbers) else None


#: Rows of a row group: about 4 MB of vectors of 512 numbers.
_ROW_GROUP = 2_000


def write_table(
    path: Place, table: pa.Table, key: str, facts: Mapping[str, Any], row_groups: Sequence[int] | None = None
) -> str:
    """Writes a Parquet file that is complete from the moment it is there.

    Args:
        path: the file
        table: what to write
        key: the key of the stage it belongs to
        facts: JSON-able facts for the footer
        row_groups (None): rows of each row group; 2,000 by default

    Returns:
        a hash of what was written
    """
    digest = _digest(table)
    described = {**facts, "stage": key, "format": FORMAT_VERSION, "digest": digest}
    table = table.replace_schema_metadata({_FOOTER_KEY: _json(described).encode()})

    def write(file: BinaryIO) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        # Numbers of vectors hardly come twice, so a dictionary of them costs time and storage; their bytes are sorted.
        vectors = [field.name for field in table.schema if pa.types.is_fixed_size_list(field.type)]
        encoding = {
            "use_dictionary": [name for name in table.column_names if name not in vectors],
            "use_byte_stream_split": [f"{name}.list.element" for name in vectors],
        }
        with pq.ParquetWriter(file, table.schema, compression="zstd", write_page_checksum=True, **encoding) as writer:
            if row_groups is None:
                writer.write_table(table, row_group_size=_ROW_GROUP)
                return
            start = 0
            for length in row_groups:
                writer.write_table(table.slice(start, length), row_group_size=length)
                start += length

    write_atomically(path, write)
    return digest


def read_table(path: Place, key: str, columns: list[str] | None = None, row_group: int | None = None) -> pa.Table:
    """Reads a file of :func:`write_table`, or one row group of it, and checks it.

    Raises:
        CoresetError: if it is not there, is damaged, or belongs to something else
    """
    return _read(path, key, columns, row_group).table


def _read(path: Place, key: str, columns: list[str] | None, row_group: int | None) -> Part:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(readable(path), page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise CoresetError(f"{path} is missing or damaged; run the step again that makes it") from error
    try:
        with file:
            facts = _facts(path, key, file.metadata)
            return Part(file.read(columns) if row_group is None else file.read_row_group(row_group, columns), facts)
    except (pa.ArrowException, OSError) as error:
        raise CoresetError(f"{path} is damaged ({error}); delete it and run the step again that makes it") from error


def footer(path: Place, key: str) -> dict[str, Any] | None:
    """The facts in the footer of a file, or None if it is not there or is damaged.

    Raises:
        CoresetError: if it belongs to something else
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(readable(path))
    except FileNotFoundError:
        return None
    except (pa.ArrowException, OSError) as error:
        logger.warning("%s is damaged and will be made again: %s", path, error)
        return None
    return _facts(path, key, metadata)


def _facts(path: Place, key: str, metadata: pq.FileMetaData) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((metadata.metadata or {}).get(_FOOTER_KEY, b"{}"))
    if facts.get("stage") != key:
        raise CoresetError(f"{path} belongs to another run or other arguments; move it out of that folder")
    return facts


def write_record(path: Place, record: Mapping[str, Any]) -> bool:
    """Writes a JSON file unless it is there.

    Returns:
        whether it was written
    """
    return write_once(path, f"{_json(record)}\n".encode())


def read_record(path: Place) -> dict[str, Any]:
    """Reads a JSON file.

    Raises:
        CoresetError: if it is not there or cannot be read
    """
    try:
        record = json.loads(path.read_text())
    except CoresetError:
        raise
    except FileNotFoundError as error:
        raise CoresetError(f"there is no {path}; run the step before first") from error
    except (OSError, ValueError) as error:
        raise CoresetError(f"{path} cannot be read ({error}); restore it, or delete its folder") from error
    if record.get("format") != FORMAT_VERSION:
        raise CoresetError(f"{path} has format {record.get('format')!r}, this version reads {FORMAT_VERSION}")
    return record


def write_array(path: Place, array: np.ndarray) -> None:
    """Writes an array unless it is there."""
    if not path.is_file():
        content = io.BytesIO()
        np.save(content, array)
        write_once(path, content.getvalue())


def read_array(path: Place) -> np.ndarray:
    """The array in a file.

    Raises:
        CoresetError: if it is damaged
    """
    try:
        return np.load(readable(path))
    except CoresetError:
        raise
    except (OSError, ValueError, EOFError) as error:
        raise CoresetError(f"{path} is damaged ({error}); delete its folder and select again") from error


class _Hashing:
    """A file that only remembers a hash of what was written to it."""

    closed = False

    def __init__(self) -> None:
        self.hash = hashlib.blake2b(digest_size=16)

    def write(self, data: Any) -> int:
        self.hash.update(data)
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""


def _digest(table: pa.Table) -> str:
    """A hash of the contents of a table."""
    import pyarrow as pa

    hashing = _Hashing()
    with pa.ipc.new_stream(pa.PythonFile(hashing, mode="w"), table.schema.remove_metadata()) as stream:
        stream.write_table(table.replace_schema_metadata(None))
    return hashing.hash.hexdigest()


def _json(record: Mapping[str, Any]) -> str:
    return json.dumps(record, sort_keys=True)
