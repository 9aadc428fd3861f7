"""FiftyOne's own: the most unique images, and what its near-duplicates leave at a threshold that keeps so many."""

import fiftyone as fo
import fiftyone.brain as fob
import numpy as np
from selecting import answer


def prepare(problem):
    dataset = fo.Dataset()
    dataset.add_samples(
        [fo.Sample(filepath=f"/nowhere/{row}.png") for row in range(len(problem.vectors))], progress=False
    )
    return dataset, problem


def uniqueness(prepared):
    dataset, problem = prepared
    fob.compute_uniqueness(dataset, embeddings=problem.vectors)
    return np.argsort(dataset.values("uniqueness"))[::-1][: problem.k]


def near_duplicates(prepared):
    dataset, problem = prepared
    index = fob.compute_near_duplicates(dataset, embeddings=problem.vectors)
    index.find_duplicates(fraction=1 - problem.k / len(problem.vectors))
    row_of = {identifier: row for row, identifier in enumerate(dataset.values("id"))}
    return [row_of[identifier] for identifier in index.unique_ids]


answer({"uniqueness": uniqueness, "near_duplicates": near_duplicates}, prepare)
