"""The vectors of a pool are the same whatever was asked for before."""

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
