"""What a run is made of: images in folders, tar files, tables or a FiftyOne dataset, listed once."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CoresetError
from .places import Place, as_place, file_state
from .store import StorePath, at_once
from .synthetic import SYNTHETIC, SyntheticPool
from .tables import LanceTable, ParquetTable, Table
from .tars import members

if TYPE_CHECKING:
    import pyarrow as pa
    from fiftyone.core.dataset import Dataset

#: What a folder's images are called; other files are passed over.
SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("avif", "bmp", "gif", "heic", "heif", "j2k", "jp2", "jpeg", "jpg"),
        *("mpo", "png", "ppm", "qoi", "tga", "tif", "tiff", "webp"),
    )
)
#: Files that hold many rows.
_WITH_ROWS = {".parquet": "tables", ".tar": "tar files"}
#: The prefix of a dataset's name where a source is a text.
FIFTYONE = "fiftyone:"


@dataclass(frozen=True)
class Listed:
    """Rows of a source that one unit may hold.

    Attributes:
        ids: their ids, int64 or string
        uris: their addresses, None where there are none
        sizes: bytes of their images, None where they are not known
        starts: the first byte of each image in its tar file, None where it has a file of its own
        origin: which rows of which table hold them, or the tar files that do, or None
    """

    ids: pa.Array
    uris: pa.Array
    sizes: pa.Array
    starts: pa.Array
    origin: dict[str, Any] | None = None

    @property
    def columns(self) -> tuple[pa.Array, pa.Array, pa.Array, pa.Array]:
        """Ids, addresses, sizes and starts."""
        return self.ids, self.uris, self.sizes, self.starts

    def take(self, places: np.ndarray) -> Listed:
        """Some of the rows, in ascending order."""
        import pyarrow as pa

        ids, uris, sizes, starts = (column.take(pa.array(places)) for column in self.columns)
        origin = self.origin
        if origin is not None and "start" in origin and len(places) < len(self.ids):
            origin = {**origin, "start": origin["start"] + int(places[0])}
            if len(places) <= places[-1] - places[0]:
                origin["places"] = (places - places[0]).tolist()
        return Listed(ids, uris, sizes, starts, origin)

    def followed_by(self, others: Listed) -> Listed:
        """These rows and others, which have files of their own."""
        import pyarrow as pa

        columns = zip(self.columns, others.columns, strict=True)
        return Listed(*(pa.concat_arrays(pair) for pair in columns))


@dataclass(frozen=True)
class Source:
    """Where rows come from.

    Attributes:
        name: what identifies it: an absolute path, or ``fiftyone:<dataset>``
        listing: the rows in a fixed order, a unit at a time
        holds_contents: whether its files hold images or vectors, so that a file that changed is another input
        n_rows: how many rows there are, or None where only listing tells
    """

    name: str
    listing: Iterator[Listed]
    holds_contents: bool = True
    n_rows: int | None = None


def find_source(source: Any, columns: dict[str, str | None], rows_per_unit: int) -> Source:
    """Finds out what a source is.

    Args:
        source: a folder of images, a Parquet file, a Lance table, a tar file, a folder of Parquet or of tar files,
            ``"fiftyone:<name>"``, a FiftyOne collection, or ``"synthetic://..."``
        columns: the columns of a table: ``id_column``, ``uri_column``, ``image_column`` and ``vector_column``
        rows_per_unit: rows of a unit

    Returns:
        the source

    Raises:
        CoresetError: if it is none of these, or a column is missing
    """
    if isinstance(source, str) and source.startswith(SYNTHETIC):
        _refuse(columns, "a synthetic pool")
        return _of_synthetic(SyntheticPool.parse(source), rows_per_unit)
    if not isinstance(source, str | os.PathLike | StorePath) or str(source).startswith(FIFTYONE):
        _refuse(columns, "a FiftyOne dataset")
        return _of_dataset(source, rows_per_unit)
    path = as_place(source)
    if not path.exists():
        raise CoresetError(f"there is no {path}; give a folder of images, a Parquet file, or fiftyone:<dataset>")
    if path.name.endswith(".lance"):
        return _of_tables(path, [LanceTable(path)], columns, rows_per_unit)
    files = [path] if path.is_file() else _files_with_rows(path)
    if files and files[0].name.endswith(".tar"):
        _refuse(columns, "a tar file")
        return Source(str(path), _in_tars(files, rows_per_unit))
    if files:
        return _of_tables(path, list(at_once(ParquetTable, files)), columns, rows_per_unit)
    _refuse(columns, "a folder of images")
    return Source(str(path), _images(path, rows_per_unit))


def _files_with_rows(folder: Place) -> list[Place]:
    """The tables or the tar files in a folder, by name; none if it is one of images.

    Raises:
        CoresetError: if it is more than one of these, so that nothing is passed over in silence
    """
    found: dict[str, list[Place]] = {"tables": [], "tar files": []}
    has_images = False
    for entry in folder.iterdir():
        suffix = os.path.splitext(entry.name)[1].lower()
        if suffix in _WITH_ROWS:
            found[_WITH_ROWS[suffix]].append(entry)
        has_images |= suffix in SUFFIXES
    kinds = [f"{len(files):,} {kind}" for kind, files in found.items() if files]
    if len(kinds) + (has_images and bool(kinds)) > 1:
        there = " and ".join([*kinds, *(["images"] if has_images else [])])
        raise CoresetError(f"{folder} holds {there}; plan one kind, from a folder of its own")
    return sorted(found["tables"] + found["tar files"], key=lambda entry: entry.name)


def _refuse(columns: dict[str, str | None], what: str) -> None:
    given = [name for name, column in columns.items() if column is not None]
    if given:
        raise CoresetError(f"{given[0]}={columns[given[0]]!r} names a column of a Parquet table, but this is {what}")


def _images(folder: Place, size: int) -> Iterator[Listed]:
    import pyarrow as pa

    found = _local_files(folder) if isinstance(folder, Path) else folder.find()
    images = (image for image in found if os.path.splitext(image[0].name)[1].lower() in SUFFIXES)
    while listed := list(itertools.islice(images, size)):
        names = pa.array([str(path) for path, _ in listed])
        # Some systems do not measure their files and say 0.
        sizes = pa.array([n_bytes or None for _, n_bytes in listed], pa.int64())
        yield Listed(names, names, sizes, _unknown(len(names)))


def _in_tars(tars: list[Place], size: int) -> Iterator[Listed]:
    import pyarrow as pa

    found = (member for tar in tars for member in members(tar))
    images = (member for member in found if os.path.splitext(member.name)[1].lower() in SUFFIXES)
    while listed := list(itertools.islice(images, size)):
        ids, uris = pa.array([member.key for member in listed]), pa.array([member.uri for member in listed])
        sizes, starts = pa.array([member.size for member in listed]), pa.array([member.start for member in listed])
        states = [file_state(tar) for tar in dict.fromkeys(member.tar for member in listed)]
        yield Listed(ids, uris, sizes, starts, {"files": states})


def _unknown(n: int) -> pa.Array:
    import pyarrow as pa

    return pa.nulls(n, pa.int64())


def _local_files(folder: Path) -> Iterator[tuple[Path, int | None]]:
    for path, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            file = Path(path, name)
            try:
                yield file, file.stat().st_size
            except OSError:  # embedding it says why
                yield file, None


def _of_synthetic(pool: SyntheticPool, size: int) -> Source:
    def listing() -> Iterator[Listed]:
        import pyarrow as pa

        for start in range(0, pool.n, size):
            rows = np.arange(start, min(start + size, pool.n))
            uris, unknown = pa.nulls(len(rows), pa.string()), pa.nulls(len(rows), pa.int64())
            yield Listed(pa.array(rows), uris, unknown, unknown, {"start": start})

    return Source(pool.name, listing(), n_rows=pool.n)


def _of_dataset(source: Any, size: int) -> Source:
    import fiftyone as fo

    if isinstance(source, str):
        source = fiftyone_dataset(source)
    if not isinstance(source, fo.core.collections.SampleCollection):
        raise CoresetError(
            f"a source is a folder, a Parquet file or a FiftyOne collection, not {type(source).__name__}"
        )
    if source.media_type != "image":
        raise CoresetError(f"dataset '{source._root_dataset.name}' is of type '{source.media_type}'; give images")

    def listing() -> Iterator[Listed]:
        import pyarrow as pa

        ids, paths = source.values(["id", "filepath"])
        for start in range(0, len(ids), size):
            names = ids[start : start + size]
            unknown = _unknown(len(names))
            yield Listed(pa.array(names), pa.array(paths[start : start + size]), unknown, unknown)

    return Source(f"{FIFTYONE}{source._root_dataset.name}", listing(), n_rows=len(source))


def fiftyone_dataset(source: str) -> Dataset:
    """The dataset that ``fiftyone:<name>`` names.

    Raises:
        CoresetError: if there is none
    """
    import fiftyone as fo

    name = source.removeprefix(FIFTYONE)
    if name not in fo.list_datasets():
        raise CoresetError(f"there is no FiftyOne dataset '{name}'; see fiftyone datasets list")
    return fo.load_dataset(name)


def _of_tables(path: Place, tables: Sequence[Table], columns: dict[str, str | None], size: int) -> Source:
    names = tables[0].schema.names
    for argument, column in columns.items():
        if column is not None and any(column not in table.schema.names for table in tables):
            raise CoresetError(f"{argument}={column!r} is no column of {path}; its columns are {', '.join(names)}")
    ids, uris, images, vectors = columns.values()
    if uris is None and images is None and vectors is None:
        raise CoresetError(
            f"{path} is a table, so name its column of addresses with uri_column, that of images with image_column, or "
            f"that of vectors with vector_column; its columns are {', '.join(names)}"
        )
    if images is not None and vectors is not None:
        raise CoresetError("images are embedded and vectors are copied; give image_column or vector_column")
    if vectors is not None:
        _check_vectors(tables, vectors)
    if images is not None:
        _check_images(tables, images)
    if ids is None and uris is None:
        what = "vectors" if images is None else "images"
        raise CoresetError(f"{path}: {what} need ids; name their column with id_column, one of {', '.join(names)}")

    def listing() -> Iterator[Listed]:
        for table in tables:
            wanted = list(dict.fromkeys(column for column in (ids, uris) if column is not None))
            start = 0
            for batch in table.batches(wanted, size):
                yield _of_batch(batch, ids, uris, {**table.state, "start": start})
                start += len(batch)

    held = images is not None or vectors is not None
    return Source(str(path), listing(), held, sum(table.n_rows for table in tables))


def _of_batch(batch: pa.RecordBatch, ids: str | None, uris: str | None, origin: dict[str, Any]) -> Listed:
    import pyarrow as pa

    found = batch[ids or uris]
    kind = pa.int64() if pa.types.is_integer(found.type) else pa.string()
    try:
        found = found.cast(kind)
        addresses = pa.nulls(len(batch), pa.string()) if uris is None else batch[uris].cast(pa.string())
    except pa.ArrowException as error:
        raise CoresetError(f"ids must be whole numbers or text, and addresses text ({error})") from error
    for column, what in ((ids, "id"), (uris, "address")):
        if column is not None and (missing := batch[column].null_count):
            raise CoresetError(
                f"column '{column}': {missing} of {len(batch)} rows have no {what}; leave them out of the table"
            )
    unknown = _unknown(len(batch))
    return Listed(found, addresses, unknown, unknown, origin)


def _check_images(tables: Sequence[Table], column: str) -> None:
    import pyarrow as pa

    for table in tables:
        kind = table.schema.field(column).type
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            kind = kind.field("bytes").type
        if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
            raise CoresetError(
                f"column '{column}' of {table.place} holds {kind}, not the bytes of images; addresses are a uri_column"
            )


def _check_vectors(tables: Sequence[Table], column: str) -> None:
    import pyarrow as pa

    for table in tables:
        kind = table.schema.field(column).type
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
        if not is_list or not pa.types.is_floating(kind.value_type):
            raise CoresetError(
                f"column '{column}' of {table.place} holds {kind}, not vectors: lists of floating-point numbers"
            )


def text_digest(values: pa.Array, into: hashlib._Hash) -> None:
    """Adds ids or addresses to a hash."""
    for value in values.to_pylist():
        into.update(f"{value}\n".encode())
