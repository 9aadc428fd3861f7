"""Steps on files need neither FiftyOne nor a database."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

PROGRAM = """
import sys
from fiftyone_coreset.plugin import scale

source, out = sys.argv[1:]
scale.plan(source, out, id_column="id", vector_column="vector", rows_per_unit=30)
scale.embed(out)
scale.score(out, n_draws=500)
for method in ("random", "zcore", "stratified"):
    scale.select(out, method, keep=10)
print(scale.status(out))
print(*sorted({"fiftyone", "torch"} & set(sys.modules)))
"""


def test_steps_on_files_import_neither_fiftyone_nor_torch(write_vectors, tmp_path):
    source = write_vectors(np.random.default_rng(0).normal(size=(80, 5)))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(source), str(tmp_path / "run")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    *state, imported = done.stdout.split("\n")[:-1]
    assert imported == ""
    assert [line.partition(":")[0] for line in state[1:]] == [
        "manifest",
        "embeddings",
        "score",
        "select random",
        "select stratified",
        "select zcore",
    ]
