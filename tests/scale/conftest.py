"""Runs of vectors, which need no images and no database, and runs of a few small images."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fiftyone_coreset.plugin import scale

if importlib.util.find_spec("pyarrow") is None:  # the extra [scale]
    collect_ignore_glob = ["*"]


@pytest.fixture
def write_vectors(tmp_path: Path) -> Callable[..., Path]:
    """A factory ``write_vectors(matrix, ids=None, name="vectors")`` of tables with columns id, uri and vector."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def write(matrix: np.ndarray, ids=None, name: str = "vectors") -> Path:
        path = tmp_path / f"{name}.parquet"
        rows = [None if row is None else list(map(float, row)) for row in matrix]
        ids = list(range(len(rows))) if ids is None else ids
        uris = [f"/images/{number}.jpg" for number in ids]
        pq.write_table(pa.table({"id": ids, "uri": uris, "vector": pa.array(rows, pa.list_(pa.float32()))}), path)
        return path

    return write


@pytest.fixture
def vector_run(write_vectors: Callable[..., Path], tmp_path: Path) -> Callable[..., scale.ScaleRun]:
    """A factory ``vector_run(matrix, rows_per_unit=10, name="run")`` of runs whose vectors are embedded."""

    def make(matrix: np.ndarray, rows_per_unit: int = 10, name: str = "run") -> scale.ScaleRun:
        source = write_vectors(matrix, name=f"{name}-source")
        columns = {"id_column": "id", "uri_column": "uri", "vector_column": "vector"}
        run = scale.plan(source, tmp_path / name, rows_per_unit=rows_per_unit, **columns)
        scale.embed(run.folder)
        return run

    return make
