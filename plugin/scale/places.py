"""Where the files of a run lie: on this machine, or in an object store."""

from __future__ import annotations

import errno
import io
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ..errors import CoresetError
from .store import StoreFile, StorePath

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
#: A folder or file of this machine, or an address in a store.
Place = Path | StorePath


def as_place(where: str | os.PathLike[str] | StorePath) -> Place:
    """What a text means: an address in a store if it has a scheme, else a path of this machine, made absolute.

    Examples:
        >>> as_place("s3://bucket/run/") / "run.json"
        StorePath(url='s3://bucket/run/run.json')
    """
    if isinstance(where, StorePath):
        return where
    text = os.fspath(where)
    if not _URL.match(text):
        return Path(text).expanduser().absolute()
    if text.startswith("file://"):
        return Path(url2pathname(urlsplit(text).path))
    return StorePath(text.rstrip("/"))


def entries(place: Place, pattern: str = "*") -> list[Place]:
    """What lies one level below and has such a name, by name; nothing where there is nothing."""
    return sorted(place.glob(pattern), key=lambda entry: entry.name)


def readable(place: Place) -> Any:
    """What libraries that read files can open: the path, or a file whose bytes come when they are asked for."""
    return place if isinstance(place, Path) else StoreFile(place)


def write_atomically(place: Place, write: Callable[[BinaryIO], None]) -> None:
    """Lets a function write a file that is there from the moment it is whole, and on the disk.

    Raises:
        CoresetError: if there is no space, or a store refuses
    """
    if isinstance(place, StorePath):
        content = io.BytesIO()
        write(content)
        place.write_bytes(content.getvalue())
        return
    aside = _aside(place)
    try:
        with room(place), open(aside, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, place)
    finally:
        aside.unlink(missing_ok=True)


def write_once(place: Place, data: bytes) -> bool:
    """Writes a file unless it is there; of several writers one succeeds.

    Returns:
        whether it was written

    Raises:
        CoresetError: if there is no space, or a store refuses
    """
    if isinstance(place, StorePath):
        try:
            place.write_bytes(data, create=True)
        except FileExistsError:
            return False
        return True
    aside = _aside(place)
    try:
        with room(place):
            aside.write_bytes(data)
        os.link(aside, place)
    except FileExistsError:
        return False
    finally:
        aside.unlink(missing_ok=True)
    return True


def file_state(place: Place) -> dict[str, Any]:
    """What tells whether a file is still the one that was listed.

    Raises:
        FileNotFoundError: if it is not there
    """
    if isinstance(place, Path):
        found = place.stat()
        return {"file": str(place), "size": found.st_size, "changed": found.st_mtime_ns}
    facts = place.ask(lambda store, path: store.info(path))
    changed = next((str(facts[name]) for name in _VERSIONS if facts.get(name)), None)
    return {"file": str(place), "size": facts["size"], "changed": changed}


def check_unchanged(place: Place, listed: Mapping[str, Any]) -> None:
    """Refuses a file that is not the one that was listed.

    Args:
        place: the file
        listed: what :func:`file_state` said of it, among other facts

    Raises:
        CoresetError: if it was changed or removed
    """
    try:
        unchanged = file_state(place).items() <= listed.items()
    except FileNotFoundError:
        unchanged = False
    if not unchanged:
        raise CoresetError(
            f"{place} was changed or removed since the run was planned; plan a new run in another folder"
        )


#: What stores call the version of an object, or when it was made.
_VERSIONS = ("ETag", "etag", "mtime", "LastModified", "created")


def _aside(place: Path) -> Path:
    return place.with_name(f".{place.name}.{secrets.token_hex(4)}.tmp")


@contextmanager
def room(place: Path) -> Iterator[None]:
    """Says in one sentence that a disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise CoresetError(
            f"{place.parent} has no space left; make room and run the step again, which keeps what is whole"
        ) from error


def reserve(path: Path, n_bytes: int) -> None:
    """Makes a file whose space is there: where it is mapped into memory, a full disk would end the process."""
    with open(path, "wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, n_bytes)
        else:
            file.truncate(n_bytes)
