"""A database that breaks on demand, and processes that work on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import images
import pytest
from breakable_mongod import Mongod

N = 24


class Lab:
    """Runs operations in processes of their own, with faults in them."""

    def __init__(self, home: Path):
        self.mongod = Mongod(home)
        self._files = [str(path) for path in images.write_images(home / "images", N)]
        self._weights = str(home / "weights.safetensors")
        environment = {
            "FIFTYONE_DATABASE_URI": f"mongodb://127.0.0.1:{self.mongod.port}/",
            "FIFTYONE_DATABASE_DIR": str(home / "database"),
            "FIFTYONE_DATABASE_NAME": "faults",
        }
        self._log = (home / "worker.log").open("w")
        self._worker = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("worker.py"))],
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self._read() == {"ready": True}
        self.references: dict[str, Any] = {}

    def close(self) -> None:
        self._worker.stdin.close()
        self._worker.wait()
        self.mongod.stop()
        self._log.close()

    def run(self, *operations: str, fault: dict[str, Any] | None = None) -> dict[str, Any]:
        """Runs operations, one after the other, in one new process.

        Args:
            *operations: names of functions of ``worker.py``
            fault (None): ``{"point", "after", "action"}``, or ``{"delay", "action"}`` for a signal after some seconds

        Returns:
            a dict with ``"outcome"``, one an operation, or None if the process died; ``"reached"``, whether the point
            was; ``"ended"``, its exit code; ``"left"``, processes of it that outlived it
        """
        if "embed" in operations and not Path(self._weights).exists():
            self.done("weights")
        arguments = ["faults", self._files, self._weights]
        self._write({"operations": operations, "arguments": arguments, "fault": fault})
        result: dict[str, Any] = {"outcome": None, "reached": None}
        while "ended" not in result:
            told = self._read()
            if "fault" in told:
                self.mongod.fail(told["fault"])
                self._write("go on")
            else:
                result |= told
        self.mongod.recover()
        return result

    def done(self, *operations: str) -> list[Any]:
        """What operations return that nothing disturbs."""
        result = self.run(*operations)
        assert result["outcome"] is not None, result
        assert [step for step in result["outcome"] if "done" not in step] == []
        return [step["done"] for step in result["outcome"]]

    def reference(self, operation: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The state before and after an operation that nothing disturbs."""
        if operation not in self.references:
            _, before, _, after = self.done("prepare", "state", operation, "state")
            self.references[operation] = before, after
        return self.references[operation]

    def _write(self, request: Any) -> None:
        self._worker.stdin.write(json.dumps(request) + "\n")
        self._worker.stdin.flush()

    def _read(self) -> dict[str, Any]:
        line = self._worker.stdout.readline()
        assert line, f"the worker ended; see {self._log.name}"
        return json.loads(line)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab(tmp_path_factory.mktemp("faults"))
    yield made
    made.close()
