"""Rank the rows of a file of vectors, without a dataset: ``python examples/plain_arrays.py vectors.npy``."""

import sys

import fiftyone_coreset as fc
import numpy as np

vectors = np.load(sys.argv[1])
selection = fc.get_method("auto").select(vectors, len(vectors) // 10)
print("first to keep:", *selection.indices[:10])
print(selection.details["why"])
print(fc.coreset_report(vectors, selection.indices))
