"""Sets of rows are read in one place, whoever asks."""

from __future__ import annotations

import fiftyone_coreset as fc
import numpy as np
import pytest

X = np.random.default_rng(0).normal(size=(20, 4))


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([20], "row indices must lie in 0..19, got 20..20"),
        ([-1, 3], "row indices must lie in 0..19, got -1..3"),
        ([1, 1, 2, 2], "2 row indices appear more than once"),
        ([0.5], "expected row indices or an (n,) bool mask, got float64 of shape (1,)"),
        ([True, False], "a mask must have one entry for each of the 20 rows, got shape (2,)"),
    ],
)
def test_a_set_of_rows_is_refused_in_the_same_words_everywhere(rows, problem):
    with pytest.raises(fc.CoresetError) as in_selection:
        fc.get_method("random").select(X, 5, preselected=rows)
    with pytest.raises(fc.CoresetError) as in_report:
        fc.coreset_report(X, rows)
    assert problem in str(in_selection.value)
    assert str(in_report.value) == str(in_selection.value).replace("preselected", "selected")
