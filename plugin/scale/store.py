"""Files in an object store, which fsspec reaches.

Of a store no more is relied on than that an object appears whole or not at all, that whoever reads afterwards sees it,
and that one may be created only if it is not there. There is no lock: whoever makes a part twice makes the same part.
Stores refuse, pause and cut answers short, so every request is tried again, later and later.
"""

from __future__ import annotations

import errno
import functools
import io
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any, TypeVar

from ..errors import CoresetError
from ..requirements import require

logger = logging.getLogger(__name__)

#: Seconds after which a store that gives no answer is given up, and between the first two tries and any two.
PATIENCE, _FIRST_PAUSE, _LONGEST_PAUSE = 600.0, 0.5, 60.0
#: Requests at a time.
_REQUESTS = 16
#: Answers of a web server that another time may be others: too slow, too early, too often.
_PASSING = frozenset({408, 425, 429})

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, order=True)
class StorePath:
    """An address in a store, with what of :class:`pathlib.Path` runs need.

    Attributes:
        url: e.g. ``"s3://bucket/run"``, without a slash at its end
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> StorePath:
        return StorePath(f"{self.url}/{name}")

    @property
    def name(self) -> str:
        """What comes after the last slash."""
        return self.url.rpartition("/")[2]

    def is_file(self) -> bool:
        """Whether there is an object."""
        return self._kind() == "file"

    def is_dir(self) -> bool:
        """Whether there is an object with this prefix."""
        return self._kind() == "directory"

    def exists(self) -> bool:
        """Whether there is an object, or one with this prefix."""
        return self._kind() is not None

    def mkdir(self, parents: bool = True, exist_ok: bool = True) -> None:
        """Does nothing: a store has no folders."""

    def iterdir(self) -> Iterator[StorePath]:
        """What lies one level below, in order."""
        return (place for place, _ in self._list())

    def glob(self, pattern: str) -> Iterator[StorePath]:
        """What lies one level below and has such a name."""
        return (path for path in self.iterdir() if fnmatch(path.name, pattern))

    def find(self) -> Iterator[tuple[StorePath, int | None]]:
        """All objects below and their sizes where they are known, in order, those of a level first."""
        listed = self._list()  # fsspec's own search passes over what cannot be listed
        yield from ((place, facts.get("size")) for place, facts in listed if facts["type"] == "file")
        for place, facts in listed:
            if facts["type"] == "directory":
                yield from place.find()

    def size(self) -> int:
        """Bytes of the object."""
        return int(self.ask(lambda store, path: store.info(path))["size"])

    def read_text(self) -> str:
        """The whole object."""
        return self.read_whole(self.size()).decode()

    def read_whole(self, size: int | None = None, patience: float | None = None) -> bytes:
        """Reads an object.

        Args:
            size (None): how long it is, if that is known
            patience (None): seconds after which it is given up; 10 minutes by default

        Raises:
            FileNotFoundError: if it is not there, or is of another size
        """

        def read(store: Any, path: str) -> bytes:
            data: bytes = store.cat_file(path)
            if size is not None and len(data) != size:
                refuse_change(size, store.info(path)["size"])
                raise OSError(errno.EIO, f"{len(data):,} of {size:,} bytes came")
            return data

        return self.ask(read, patience)

    def read_range(self, start: int, end: int, patience: float | None = None) -> bytes:
        """Reads a part of an object.

        Args:
            start: the first byte
            end: the one after the last
            patience (None): seconds after which it is given up; 10 minutes by default
        """

        def read(store: Any, path: str) -> bytes:
            data: bytes = store.cat_file(path, start=start, end=end)
            if len(data) > end - start:  # a web server that only gives whole files
                data = data[start:end]
            if len(data) < end - start:
                raise OSError(errno.EIO, f"{len(data):,} of {end - start:,} bytes came")
            return data

        return self.ask(read, patience)

    def write_bytes(self, data: bytes, create: bool = False) -> None:
        """Puts an object, whole.

        Args:
            data: its content
            create (False): whether to leave one that is there

        Raises:
            FileExistsError: if it is left
            CoresetError: if there is no such bucket, or it may not be written
        """
        if self.url.startswith(("http://", "https://")):
            raise CoresetError(f"{self} can be read only; choose a folder or an object store for the run")
        try:
            self.ask(lambda store, path: store.pipe_file(path, data, mode="create" if create else "overwrite"))
        except FileNotFoundError as error:
            raise CoresetError(f"{self} cannot be written ({_reason(error)}); make the bucket first") from error

    def ask(self, request: Callable[[Any, str], _Result], patience: float | None = None) -> _Result:
        """Asks the store, again and again until it answers.

        Args:
            request: what to ask: a function of the file system and the path in it
            patience (None): seconds after which it is given up

        Returns:
            the answer

        Raises:
            FileNotFoundError: if there is no such object
            CoresetError: if access is refused, or the store gives no answer
        """
        store = _file_system("/".join(self.url.split("/")[:3]), os.getpid())
        path = store._strip_protocol(self.url)
        begun, pause = time.monotonic(), _FIRST_PAUSE
        while True:
            try:
                return request(store, path)
            except (FileNotFoundError, FileExistsError):
                raise
            except Exception as error:  # whatever the client of the store raises
                if _status(error) == 404:
                    raise FileNotFoundError(errno.ENOENT, _reason(error)) from error
                _refuse(self, error)
                spent = time.monotonic() - begun
                if spent + pause > (PATIENCE if patience is None else patience):
                    raise StoreError(
                        f"{self} gave no answer in {spent:.0f} s ({_reason(error)}); run the step again when its store "
                        "does, it continues"
                    ) from error
                logger.warning("%s: %s; asked again in %.3g s", self, _reason(error), pause)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _kind(self) -> str | None:
        # fsspec's exists() takes any trouble for an answer.
        try:
            return str(self.ask(lambda store, path: store.info(path))["type"])
        except FileNotFoundError:
            return None

    def _list(self) -> list[tuple[StorePath, dict[str, Any]]]:
        try:
            found = self.ask(lambda store, path: _below(path, store.ls(path, detail=True)))
        except FileNotFoundError:
            return []
        named = {facts["name"].rstrip("/").rpartition("/")[2]: facts for facts in found}
        return [(self / name, named[name]) for name in sorted(named)]


class StoreError(CoresetError):
    """A store that may answer another time."""


class StoreFile(io.RawIOBase):
    """An object as a file that is read here and there.

    Args:
        place: its address

    Raises:
        FileNotFoundError: if it is not there
    """

    def __init__(self, place: StorePath) -> None:
        super().__init__()
        self._place, self._at, self._size = place, 0, place.size()

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be read anywhere."""
        return True

    def tell(self) -> int:
        """The next byte."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Goes to a byte."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Reads on."""
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        data = self._place.read_range(self._at, end)
        buffer[: len(data)] = data
        self._at = end
        return len(data)


def at_once(do: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """Does requests, several at a time; the results come in order."""
    with ThreadPoolExecutor(_REQUESTS, thread_name_prefix="store") as threads:
        yield from threads.map(do, items)


@functools.lru_cache(maxsize=64)
def _file_system(root: str, process: int) -> Any:
    """The file system of a store; a forked process needs one of its own.

    Raises:
        CoresetError: if a package is missing, or there is no such scheme
    """
    require(["fsspec"])
    import fsspec

    try:
        return fsspec.core.url_to_fs(root, use_listings_cache=False)[0]
    except (ImportError, ValueError) as error:
        raise CoresetError(f"{root} cannot be opened: {error}") from error


def refuse_change(planned: int, found: int) -> None:
    """Raises if a file is not as long as it was."""
    if found != planned:
        raise FileNotFoundError(
            errno.ENOENT, f"changed since the run was planned: {planned:,} bytes then, {found:,} now"
        )


def _refuse(place: StorePath, error: Exception) -> None:
    """Raises what will be the same another time."""
    if isinstance(error, CoresetError):
        raise error
    status = _status(error)
    if isinstance(error, PermissionError) or status in (401, 403) or "Credentials" in type(error).__name__:
        raise CoresetError(
            f"{place}: access is refused ({_reason(error)}); give the credentials of its store in the environment"
        ) from error
    lasting = status is not None and 400 <= status < 500 and status not in _PASSING
    if lasting or isinstance(error, ValueError):
        raise CoresetError(f"{place} is no address that its store accepts ({_reason(error)})") from error
    if type(error).__module__ == "builtins" and not isinstance(error, OSError):
        raise error


def _status(error: Exception) -> int | None:
    """The status of an answer, wherever the client of the store puts it."""
    found = (getattr(error, name, None) for name in ("status", "status_code", "code"))
    return next((status for status in found if isinstance(status, int)), None)


def _below(path: str, listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leaves out the folder itself, for which some programs make an object."""
    return [facts for facts in listed if facts["name"].strip("/") != path.strip("/")]


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
