"""A mongod that breaks on demand."""

from __future__ import annotations

import signal
import subprocess
import threading
from pathlib import Path

import psutil
from fiftyone_coreset.demo.database import _mongod_path, _stop, _wait_until_listening
from fiftyone_coreset.demo.environment import free_port


class Mongod:
    """A mongod of its own, on a free port of this machine, that can be paused, killed and started again."""

    def __init__(self, home: Path):
        self._home = home
        self._later: threading.Timer | None = None
        self.port = free_port()
        (home / "database").mkdir(parents=True)
        self.start()

    def start(self) -> None:
        log = self._home / "mongod.log"
        arguments = ["--dbpath", str(self._home / "database"), "--port", str(self.port), "--bind_ip", "127.0.0.1"]
        arguments += ["--nounixsocket", "--wiredTigerCacheSizeGB", "0.25", "--logappend", "--logpath", str(log)]
        self._process = psutil.Popen(
            [_mongod_path(), *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, start_new_session=True
        )
        _wait_until_listening(self._process, self.port, log)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        self.recover()
        _stop(self._process)

    def fail(self, how: str) -> None:
        """Does what is asked: "pause" (5 s), "restart" in order, "kill" and start again, or "gone" (killed for 8 s)."""
        if how == "pause":
            self._process.send_signal(signal.SIGSTOP)
            self._after(5, lambda: self._process.send_signal(signal.SIGCONT))
        elif how == "restart":
            _stop(self._process)
            self.start()
        elif how == "kill":
            self.kill()
            self.start()
        else:
            self.kill()
            self._after(8, self.start)

    def recover(self) -> None:
        """Waits until the database is there again."""
        if self._later is not None:
            self._later.join()
            self._later = None

    def _after(self, seconds: float, what) -> None:
        self._later = threading.Timer(seconds, what)
        self._later.start()
