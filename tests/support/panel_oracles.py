"""What the panel sends, decoded, and what its first budgets are by their definition."""

import base64

import numpy as np
from fiftyone_coreset.plugin.diagnostics.first_cover import NEVER


def decoded(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype=dtype)


def literal_first_cover(rows, radius, near_duplicate_radius):
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    distance = np.linalg.norm(unit[:, None] - unit[None], axis=2)
    covered, duplicate = [], []
    for i in range(len(rows)):
        within = [j + 1 for j in range(i) if distance[i, j] <= radius]
        twins = [j + 1 for j in range(i) if distance[i, j] <= near_duplicate_radius]
        covered.append(min([*within, i + 1]))
        duplicate.append(min(twins, default=NEVER))
    return covered, duplicate
