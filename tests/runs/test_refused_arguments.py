"""Arguments of ``compute_coreset`` that cannot be used: each is one sentence, and nothing is written."""

from __future__ import annotations

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest

REFUSED = [
    ({"seed": -1}, r"^seed must be a whole number from 0 to 2\*\*32 - 1, got -1$"),
    ({"seed": 1.5}, r"^seed must be a whole number .*, got 1\.5$"),
    ({"seed": "a"}, r"^seed must be a whole number .*, got 'a'$"),
    ({"seed": 2**40}, r"^seed must be a whole number .*, got 1099511627776$"),
    ({"groups": "gt", "quota": 5}, r"^quota must be one of proportional, .* or a mapping of counts, got 5$"),
    ({"groups": "emb"}, r"^groups: field 'emb' holds lists or arrays; choose a field with one value a row$"),
    ({"weights": "filepath"}, r"^weights: field 'filepath' holds other things than numbers"),
    ({"preselected": 5}, r"^preselected: expected a view, a tag, a boolean field or a list of ids, got 5$"),
    ({"excluded": "emb"}, r"^excluded: field 'emb' holds arrays; choose a boolean field$"),
    ({"excluded": 5}, r"^excluded: expected a view, a tag, a boolean field or a list of ids, got 5$"),
    ({"groups": "gt", "min_per_group": None}, r"^min_per_group must be a whole number from 0, got None$"),
    ({"groups": "gt", "min_per_group": -1}, r"^min_per_group must be a whole number from 0, got -1$"),
    ({"num_workers": "a"}, r"^num_workers must be a whole number from 1, or None, got 'a'$"),
    ({"groups": False}, r"^groups must hold one value for each of the 40 rows, got bool$"),
    ({"weights": {}}, r"^weights must be numbers "),
    ({"weights": np.ones(40) * 1j}, r"^weights must be numbers \(they are complex128\)"),
    ({"weights": np.full(40, "2026-11-29", dtype="datetime64[D]")}, r"^weights must be numbers \(they are datetime64"),
    ({"excluded": [None, []]}, r"^excluded: "),
    ({"label_field": 5}, r"^label field '5' does not exist on "),
    ({"outlier_guard": "a"}, r"^outlier_guard must be a share in \[0, 0\.5\], got 'a'$"),
    ({"brain_key": "_x"}, r"^brain_key '_x' must be a valid variable name that begins with a letter"),
    ({"brain_key": None}, r"^brain_key None must be a valid variable name"),
    ({"brain_key": 5}, r"^brain_key 5 must be a valid variable name"),
]


def test_unusable_arguments(embedded, quick):
    dataset = embedded()
    for arguments, message in REFUSED:
        with pytest.raises(fc.CoresetError, match=message):
            fc.compute_coreset(dataset, "emb", **(quick | arguments))
    assert dataset.list_brain_runs() == []
    assert "coreset_rank" not in dataset.get_field_schema()


@pytest.mark.parametrize("samples", [None, ["a"], "dataset", fo.Sample(filepath="/nowhere/a.png")])
def test_samples_that_are_no_collection(samples):
    message = rf"^samples must be a FiftyOne dataset or view, got {type(samples).__name__}$"
    with pytest.raises(fc.CoresetError, match=message):
        fc.compute_coreset(samples, "emb")


def test_numpy_seeds_are_whole_numbers_too(embedded, quick):
    import numpy as np

    assert fc.compute_coreset(embedded(), "emb", **quick, seed=np.int64(3)).config.seed == 3


def test_threads_that_are_no_number(embedded, quick):
    dataset = embedded()
    run = fc.compute_coreset(dataset, "emb", **quick)
    halves = dataset[:20], dataset[20:]
    for threads in (0, -1, 1.5, "a", True):
        for call in (
            lambda given: run.update(**given),
            lambda given: fc.near_duplicates(dataset, "emb", **given),
            lambda given: fc.compare_sets(*halves, "emb", **given),
            lambda given: fc.split_by_coverage(dataset, embeddings="emb", **given),
        ):
            with pytest.raises(fc.CoresetError, match="num_workers must be a whole number from 1, or None"):
                call({"num_workers": threads, "progress": False})
