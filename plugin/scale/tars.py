"""WebDataset: images in plain tar files, found by the places of their bytes."""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Iterator
from typing import NamedTuple

from ..errors import CoresetError
from .places import Place, readable
from .store import StorePath

_SCHEME, _INSIDE = "tar://", "::"
#: Bytes that are read at a time while a tar file is listed.
_BUFFER = 2**20


class Member(NamedTuple):
    """A file in a tar file.

    Args:
        tar: the tar file
        name: its name in it
        start: its first byte in the tar file
        size: bytes
    """

    tar: Place
    name: str
    start: int
    size: int

    @property
    def key(self) -> str:
        """What the files of one sample share: the name up to the first dot."""
        folder, name = posixpath.split(self.name)
        return posixpath.join(folder, name.partition(".")[0])

    @property
    def uri(self) -> str:
        """An address that fsspec can open."""
        return f"{_SCHEME}{self.name}{_INSIDE}{self.tar}"


def members(tar: Place) -> Iterator[Member]:
    """The files in a tar file, in order.

    Raises:
        CoresetError: if it is no plain tar file, or is cut short
    """
    with io.BufferedReader(readable(tar), _BUFFER) if isinstance(tar, StorePath) else open(tar, "rb") as file:
        length = file.seek(0, io.SEEK_END)
        file.seek(0)
        try:
            with tarfile.open(fileobj=file, mode="r:") as opened:
                for member in opened:
                    if member.isfile():
                        if member.offset_data + member.size > length:
                            raise tarfile.ReadError("it is cut short")
                        yield Member(tar, member.name, member.offset_data, member.size)
                    opened.members.clear()  # type: ignore[attr-defined]  # else it keeps all
        except tarfile.TarError as error:
            raise CoresetError(f"{tar} is no plain tar file ({error}); restore it, or unpack it") from error


def container(uri: str) -> str:
    """The tar file of an address; of any other, the address itself."""
    return uri.rpartition(_INSIDE)[2] if uri.startswith(_SCHEME) else uri
