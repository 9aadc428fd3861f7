"""Compiled kernels give the same bits whether they were just compiled or loaded from disk."""

import numpy as np
from fiftyone_coreset.plugin.selection.methods.zcore.weights import weigh
from fiftyone_coreset.plugin.vectors.jit import jit


@jit
def _weigh_twice(distance, cut, weight):
    near = weigh(distance, len(distance), distance[0], cut, 0, 4.0, weight)
    return near + weigh(distance, len(distance) - 1, distance[0], cut, 0, 3.0, weight)


def test_no_kernel_is_called_that_could_exist_in_two_versions():
    distance = np.arange(1, 100, dtype=np.float32)
    expected = sum((1.0 / distance[:50]) ** 4) + sum((1.0 / distance[:50]) ** 3)
    assert np.isclose(_weigh_twice(distance, np.float32(50), np.empty_like(distance)), expected)
    _weigh_twice.recompile()  # code loaded from disk cannot be inspected
    (code,) = _weigh_twice.inspect_llvm().values()
    defined = [line for line in code.splitlines() if line.startswith("define")]
    assert any("_weigh_twice" in line for line in defined)
    assert not any("weights" in line for line in defined)
