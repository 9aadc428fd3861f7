"""Programs in new processes that need no seconds for importing FiftyOne: each is forked from one that did.

A fork knows nothing of the test, of this package or of a database; the environment is that of the test session.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["fiftyone.brain", "fiftyone.operators"])


class Program:
    """A program that runs in a new process; ``stdin``, ``stdout`` and ``stderr`` are text, as of a ``Popen``."""

    def __init__(self, source: str, *arguments: str):
        read_input, write_input = _context.Pipe(duplex=False)
        read_output, write_output = _context.Pipe(duplex=False)
        read_errors, write_errors = _context.Pipe(duplex=False)
        theirs = [read_input, write_output, write_errors]
        self._process = _context.Process(target=_run, args=(source, arguments, theirs))
        self._process.start()
        for end in theirs:
            end.close()
        self.stdin, self.stdout, self.stderr = _text(write_input, "w"), _text(read_output, "r"), _text(read_errors, "r")

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self._process.pid, number)

    def wait(self) -> int:
        """The exit code, negative after a signal."""
        self._process.join()
        return self._process.exitcode


@dataclass(frozen=True)
class Ended:
    """What a program that ended left behind."""

    returncode: int
    stdout: str
    stderr: str


def run(source: str, *arguments: str) -> Ended:
    """Runs a program whose errors are fewer than a pipe holds."""
    program = Program(source, *arguments)
    program.stdin.close()
    stdout, stderr = program.stdout.read(), program.stderr.read()
    return Ended(program.wait(), stdout, stderr)


def _text(end: Connection, mode: str):
    file = os.fdopen(os.dup(end.fileno()), mode)
    end.close()
    return file


def _run(source: str, arguments: tuple[str, ...], ends: list[Connection]) -> None:
    for number, end in enumerate(ends):
        os.dup2(end.fileno(), number)
        end.close()
    sys.stdin = os.fdopen(0)  # multiprocessing gives its processes none
    sys.argv = ["-c", *arguments]
    exec(compile(source, "<program>", "exec"), {"__name__": "__main__"})
