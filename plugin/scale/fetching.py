"""The content of images: files of this machine are left to the decoder, all others are read before."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..embeddings.workers import ImageFile
from ..errors import CoresetError
from .places import as_place
from .store import StoreError, StorePath, at_once, refuse_change

if TYPE_CHECKING:
    import pyarrow as pa

#: Seconds after which an image is left for the next call, while its store gives others.
IMAGE_PATIENCE = 10.0


class Fetch:
    """Reads images of a unit.

    Args:
        rows: the unit's part of the manifest, with columns ``uri`` and ``size``
    """

    def __init__(self, rows: pa.Table) -> None:
        self._answered = False
        self._sizes = rows["size"].to_pylist()
        self.files = [ImageFile(_file(uri), [str(place)]) for place, uri in enumerate(rows["uri"].to_pylist())]

    def __call__(self, files: Sequence[ImageFile]) -> list[ImageFile]:
        """Reads some images; of one that cannot be read it says why.

        Raises:
            CoresetError: if a store gives no answer for anything
        """
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

    def _read(self, file: ImageFile, patience: float | None) -> bytes | OSError | None:
        place, size = as_place(file.path), self._sizes[int(file.ids[0])]
        try:
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
