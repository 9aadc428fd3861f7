"""What ``register`` says about adding a method is so: one file, and the contract tests pick it up."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

METHOD = """
import numpy as np

from ..method import register
from ..pool import top, weighted_ranks


@register(
    "outermost",
    "Farthest from the mean of all images first",
    scored=True,
    columns={"score": "how far the image lies from the mean of all"},
)
def outermost(pool, k, power: float = 1.0):
    distance = np.linalg.norm(pool.Z - pool.Z.mean(axis=0), axis=1) ** power
    return top(pool, k, weighted_ranks(distance, pool.weights))
"""

PLUGIN = """
from fiftyone_coreset.plugin.selection import methods

methods.__path__.append({folder!r})
"""


def test_one_file_is_enough(tmp_path):
    folder = tmp_path / "methods"
    folder.mkdir()
    (folder / "outermost.py").write_text(METHOD)
    (tmp_path / "one_more_method.py").write_text(PLUGIN.format(folder=str(folder)))
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "one_more_method", "-k", "outermost", "--rootdir", str(ROOT),
         str(ROOT / "tests/selection/test_contract.py")],
        capture_output=True, text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout
    counted = run.stdout.splitlines()[-1]
    assert int(counted.split(" passed")[0].split()[-1]) > 40, counted
