"""What a run is made of: a folder of images, a Parquet table, or a FiftyOne dataset, listed once."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CoresetError
from .places import Place, as_place, entries, file_state, readable
from .store import StorePath

if TYPE_CHECKING:
    import pyarrow as pa

#: What a folder's images are called; other files are passed over.
SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("avif", "bmp", "gif", "heic", "heif", "j2k", "jp2", "jpeg", "jpg"),
        *("mpo", "png", "ppm", "qoi", "tga", "tif", "tiff", "webp"),
    )
)

#: The prefix of a dataset's name where a source is a text.
FIFTYONE = "fiftyone:"


@dataclass(frozen=True)
class Listed:
    """Rows of a source that one unit may hold.

    Attributes:
        ids: their ids, int64 or string
        uris: their addresses, None where there are none
        sizes: bytes of their files, None where they are not known
        origin: which rows of which file hold their vectors, or None
    """

    ids: pa.Array
    uris: pa.Array
    sizes: pa.Array
    origin: dict[str, Any] | None = None


@dataclass(frozen=True)
class Source:
    """Where rows come from.

    Attributes:
        name: what identifies it: an absolute path, or ``fiftyone:<dataset>``
        listing: the rows in a fixed order, a unit at a time
        vector_column: the column that holds vectors, or None if images are to be embedded
        n_rows: how many rows there are, or None where only listing tells
    """

    name: str
    listing: Iterator[Listed]
    vector_column: str | None = None
    n_rows: int | None = None


def find_source(
    source: Any, id_column: str | None, uri_column: str | None, vector_column: str | None, rows_per_unit: int
) -> Source:
    """Finds out what a source is.

    Args:
        source: a folder of images, a Parquet file or folder of them, ``"fiftyone:<name>"``, or a FiftyOne collection
        id_column: the column of ids in a table
        uri_column: the column of addresses in a table
        vector_column: the column of vectors in a table
        rows_per_unit: rows of a unit

    Returns:
        the source

    Raises:
        CoresetError: if it is none of these, or a column is missing
    """
    columns = {"id_column": id_column, "uri_column": uri_column, "vector_column": vector_column}
    if not isinstance(source, str | os.PathLike | StorePath) or str(source).startswith(FIFTYONE):
        _refuse(columns, "a FiftyOne dataset")
        return _of_dataset(source, rows_per_unit)
    path = as_place(source)
    if not path.exists():
        raise CoresetError(f"there is no {path}; give a folder of images, a Parquet file, or fiftyone:<dataset>")
    tables = [path] if path.is_file() else entries(path, "*.parquet")
    if path.is_file() or tables:
        return _of_tables(path, tables, columns, rows_per_unit)
    _refuse(columns, "a folder of images")
    return Source(str(path), _images(path, rows_per_unit))


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
        yield Listed(names, names, pa.array([n_bytes or None for _, n_bytes in listed], pa.int64()))


def _local_files(folder: Path) -> Iterator[tuple[Path, int | None]]:
    for path, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            file = Path(path, name)
            try:
                yield file, file.stat().st_size
            except OSError:  # embedding it says why
                yield file, None


def _of_dataset(source: Any, size: int) -> Source:
    import fiftyone as fo

    if isinstance(source, str):
        name = source.removeprefix(FIFTYONE)
        if name not in fo.list_datasets():
            raise CoresetError(f"there is no FiftyOne dataset '{name}'; see fiftyone datasets list")
        source = fo.load_dataset(name)
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
            yield Listed(pa.array(names), pa.array(paths[start : start + size]), pa.nulls(len(names), pa.int64()))

    return Source(f"{FIFTYONE}{source._root_dataset.name}", listing(), n_rows=len(source))


def _of_tables(path: Place, tables: list[Place], columns: dict[str, str | None], size: int) -> Source:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        footers = [pq.read_metadata(readable(table)) for table in tables]
        schemas = [footer.schema.to_arrow_schema() for footer in footers]
    except (pa.ArrowException, OSError) as error:
        raise CoresetError(
            f"{path} is no Parquet table ({error}); give a folder of images or a Parquet file"
        ) from error
    names = schemas[0].names
    for argument, column in columns.items():
        if column is not None and any(column not in schema.names for schema in schemas):
            raise CoresetError(f"{argument}={column!r} is no column of {path}; its columns are {', '.join(names)}")
    ids, uris, vectors = columns.values()
    if uris is None and vectors is None:
        raise CoresetError(
            f"{path} is a table, so name its column of addresses with uri_column, or that of vectors with "
            f"vector_column; its columns are {', '.join(names)}"
        )
    if vectors is not None:
        _check_vectors(tables, schemas, vectors)
    if ids is None and uris is None:
        raise CoresetError(f"{path}: vectors need ids; name their column with id_column, one of {', '.join(names)}")

    def listing() -> Iterator[Listed]:
        for table in tables:
            wanted = list(dict.fromkeys(column for column in (ids, uris) if column is not None))
            start = 0
            with pq.ParquetFile(readable(table)) as file:
                for batch in file.iter_batches(size, columns=wanted):
                    yield _of_batch(batch, ids, uris, vectors and {**file_state(table), "start": start})
                    start += len(batch)

    return Source(str(path), listing(), vectors, sum(footer.num_rows for footer in footers))


def _of_batch(batch: pa.RecordBatch, ids: str | None, uris: str | None, origin: Any) -> Listed:
    import pyarrow as pa

    found = batch[ids or uris]
    kind = pa.int64() if pa.types.is_integer(found.type) else pa.string()
    try:
        found = found.cast(kind)
        addresses = pa.nulls(len(batch), pa.string()) if uris is None else batch[uris].cast(pa.string())
    except pa.ArrowException as error:
        raise CoresetError(f"ids must be whole numbers or text, and addresses text ({error})") from error
    if found.null_count or (uris is not None and addresses.null_count):
        raise CoresetError(
            f"column '{ids or uris}': {max(found.null_count, addresses.null_count)} of {len(batch)} rows have no id or "
            "no address; leave them out of the table"
        )
    return Listed(found, addresses, pa.nulls(len(batch), pa.int64()), origin or None)


def _check_vectors(tables: list[Place], schemas: list[pa.Schema], column: str) -> None:
    import pyarrow as pa

    for table, schema in zip(tables, schemas, strict=True):
        kind = schema.field(column).type
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
        if not is_list or not pa.types.is_floating(kind.value_type):
            raise CoresetError(
                f"column '{column}' of {table} holds {kind}, not vectors: lists of floating-point numbers"
            )


def text_digest(values: pa.Array, into: hashlib._Hash) -> None:
    """Adds ids or addresses to a hash."""
    for value in values.to_pylist():
        into.update(f"{value}\n".encode())
