"""The vectors of a pool are the same whatever was asked for before."""

import sys
from pathlib import Path

import numpy as np
import pytest
from fiftyone_coreset.plugin.selection.pool import PoolVectors
from fiftyone_coreset.plugin.vectors.neighbors import unit_rows


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_unit_vectors_do_not_depend_on_what_was_gathered(dtype):
    rng = np.random.default_rng(0)
    matrix, rows, part = rng.normal(size=(90, 5)).astype(dtype), rng.permutation(90)[:70], rng.permutation(70)[:30]
    expected = unit_rows(matrix.astype(np.float32)[rows])[0]
    alone, after = PoolVectors(matrix, rows), PoolVectors(matrix, rows)
    assert np.array_equal(after.X, matrix.astype(np.float32)[rows])
    for vectors in (alone, after):
        assert np.array_equal(vectors.Z, expected)
        assert np.array_equal(vectors.take(part).Z, expected[part])
        for some in (part, part[:5]):  # few are read one by one
            assert np.array_equal(vectors.take(some).X, matrix.astype(np.float32)[rows[some]])
    assert "X" not in alone.__dict__  # a large pool is held once


@pytest.mark.skipif(sys.platform != "linux", reason="says how much of a file is in memory")
def test_of_a_file_few_rows_leave_hardly_any_pages(tmp_path):
    n, d = 20_000, 1_024  # a page each, 80 MB
    np.save(tmp_path / "rows.npy", np.zeros((n, d), dtype=np.float32))
    matrix = np.load(tmp_path / "rows.npy", mmap_mode="r")

    def mapped() -> int:
        return int(Path("/proc/self/status").read_text().split("RssFile:")[1].split()[0]) * 1024

    before = mapped()
    matrix[::10].sum()
    assert mapped() > before + n // 10 * 4096  # what few rows cost otherwise
    assert len(PoolVectors(matrix, np.arange(0, n, 10)).X) == n // 10
    assert mapped() < before + 2**20
