"""Vectors in half precision keep 11 bits of each row's largest entry, whatever the scale."""

import numpy as np
import pytest
from fiftyone_coreset.plugin.vectors.half import from_half, half_bytes, to_half
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(0, 99), st.integers(-40, 40), st.sampled_from([np.float32, np.float64]))
def test_the_error_is_that_of_the_format(seed, exponent, dtype):
    rows = np.random.default_rng(seed).normal(size=(4, 7)).astype(dtype) * dtype(2.0) ** exponent
    found = from_half(*to_half(rows))
    assert found.dtype == np.float32
    assert (np.abs(found - rows) <= np.abs(rows).max(axis=1, keepdims=True) * 2**-11).all()


@pytest.mark.parametrize("rows", [np.zeros((2, 3)), np.array([[1.0, 2.0**-9], [2.0**60, 2.0**50]])])
def test_short_numbers_are_exact(rows):
    assert np.array_equal(from_half(*to_half(rows)), rows)


def test_equal_rows_stay_equal():
    rows = np.repeat(np.random.default_rng(1).normal(size=(1, 5)), 3, axis=0)
    assert len(np.unique(from_half(*to_half(rows)), axis=0)) == 1


def test_bytes_are_those_of_the_array():
    rows = np.zeros((3, 5))
    assert half_bytes(rows) == to_half(rows)[0].nbytes
