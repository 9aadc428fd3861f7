"""Runs programs of ``tools/``, each in an environment of its own, and measures what the process needs."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / ".cache" / "peers"
TOOLS = Path(__file__).with_name("tools")

#: For one thread, whatever a tool computes with.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS"), "1"
)


@dataclass(frozen=True)
class Usage:
    """What a process needed.

    Attributes:
        processor: seconds of all its threads, user and system
        wall: seconds by the clock
    """

    processor: float
    wall: float


def python_of(requirements: str, environments: Path = ENVIRONMENTS) -> str:
    """The interpreter of the environment of some requirements, which is made if it is not there.

    Args:
        requirements: as pip takes them, separated by spaces; the first names the environment. With none it is that of
            this process
        environments: the folder of all environments
    """
    if not requirements:
        return sys.executable
    folder = environments / requirements.split()[0]
    if not folder.exists():
        subprocess.run([sys.executable, "-m", "uv", "venv", "--quiet", folder], check=True)
        install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", folder, *requirements.split()]
        subprocess.run(install, check=True)
    return str(folder / "bin" / "python")


def run_tool(
    python: str, program: str, *arguments: object, one_thread: bool = False, limit: int | None = None
) -> Usage:
    """Runs a program of ``tools/`` to its end.

    Args:
        python: the interpreter
        program: its name, without ``.py``
        arguments: what it is given
        one_thread: on one core, with one thread
        limit: processor seconds after which it is stopped

    Raises:
        subprocess.CalledProcessError: if it fails or is stopped; ``returncode`` is then the negative signal
    """

    def bounded() -> None:
        if one_thread:
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))

    command = [python, str(TOOLS / f"{program}.py"), *map(str, arguments)]
    started = time.monotonic()
    process = subprocess.Popen(command, env=os.environ | (ONE_THREAD if one_thread else {}), preexec_fn=bounded)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Usage(used.ru_utime + used.ru_stime, time.monotonic() - started)
