"""The content of images: files of this machine are left to the decoder, all others are read before."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..embeddings.workers import ImageFile
from ..errors import CoresetError
from .places import Place, as_place, check_unchanged
from .store import StoreError, StorePath, at_once, refuse_change
from .tables import ListedTables, Table, read_listed
from .tars import container

if TYPE_CHECKING:
    import pyarrow as pa

#: Seconds after which an image is left for the next call, while its store gives others.
IMAGE_PATIENCE = 10.0


class Fetch:
    """Reads images of a unit.

    Args:
        rows: the unit's part of the manifest, with columns ``uri``, ``size`` and ``start``
        origin: the table or the tar files that hold them, or None
        column: the column of the table, or None
        tables: opens tables

    Raises:
        CoresetError: if the table or a tar file was changed since it was listed
    """

    def __init__(
        self, rows: pa.Table, origin: Mapping[str, Any] | None, column: str | None, tables: ListedTables
    ) -> None:
        self._answered = False
        self._column, self._origin = column, origin or {}
        self._table = tables(origin) if origin is not None and column is not None else None
        for listed in self._origin.get("files", ()):
            check_unchanged(as_place(listed["file"]), listed)
        self._sizes, self._starts = rows["size"].to_pylist(), rows["start"].to_pylist()
        uris = rows["uri"].to_pylist()
        self.files = [ImageFile(_file(uri or ""), [str(place)]) for place, uri in enumerate(uris)]

    def __call__(self, files: Sequence[ImageFile]) -> list[ImageFile]:
        """Reads some images; of one that cannot be read it says why.

        Raises:
            CoresetError: if a store gives no answer for anything
        """
        if self._table is not None:
            return self._of_table(self._table, files)
        while True:
            lost: list[StoreError] = []

            def read(file: ImageFile, lost: list[StoreError] = lost) -> bytes | OSError | None:
                try:
                    # Where one image was waited for in vain, the others of the batch are asked for once.
                    return self._read(file, 0.0 if lost else IMAGE_PATIENCE)
                except StoreError as error:
                    lost.append(error)
                    return OSError(errno.EIO, str(error))

            found = list(at_once(read, files))
            if self._answered or len(lost) < len(files) or len(files) == 1:
                self._answered = True
                return [file._replace(content=content) for file, content in zip(files, found, strict=True)]
            self._read(files[0], None)  # waits as long as for a part, or gives up

    def _of_table(self, table: Table, files: Sequence[ImageFile]) -> list[ImageFile]:
        import pyarrow as pa
        import pyarrow.compute as pc

        assert self._column is not None
        found = read_listed(table, self._column, self._origin, int(files[0].ids[0]), len(files))
        if pa.types.is_struct(found.type):
            found = pc.struct_field(found, "bytes")
        none = FileNotFoundError(errno.ENOENT, "the table has no image for it")
        contents = (none if content is None else content for content in found.to_pylist())
        return [file._replace(content=content) for file, content in zip(files, contents, strict=True)]

    def _read(self, file: ImageFile, patience: float | None) -> bytes | OSError | None:
        number = int(file.ids[0])
        place, size, start = as_place(container(file.path)), self._sizes[number], self._starts[number]
        try:
            if start is not None:
                return _range(place, start, size, patience)
            if isinstance(place, StorePath):
                return place.read_whole(size, patience)
            if size is not None:
                refuse_change(size, place.stat().st_size)
        except StoreError:
            raise
        except FileNotFoundError as error:
            return FileNotFoundError(errno.ENOENT, error.strerror or "no such object")
        except OSError as error:
            return error
        except CoresetError as error:  # e.g. access is refused
            return OSError(errno.EACCES, str(error))
        return None


def _file(uri: str) -> str:
    """What a decoder opens: a path stays as it was given."""
    return str(as_place(uri)) if uri.startswith("file://") else uri


def _range(place: Place, start: int, size: int, patience: float | None) -> bytes:
    if isinstance(place, StorePath):
        return place.read_range(start, start + size, patience)
    with open(place, "rb") as file:
        file.seek(start)
        return file.read(size)
