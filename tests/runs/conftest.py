"""A small dataset with embeddings of known structure, and runs on it."""

from __future__ import annotations

import forked
import pytest
from small_runs import embedded, quick  # noqa: F401


@pytest.fixture
def in_new_process():
    """A function ``in_new_process(program, *arguments)``: what a Python program prints in a process of its own."""

    def run(program: str, *arguments: str) -> str:
        done = forked.run(program, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
