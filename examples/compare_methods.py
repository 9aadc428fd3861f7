"""Compare what two methods keep of a dataset: ``python examples/compare_methods.py DATASET kcenter herding``."""

import sys

import fiftyone as fo
import fiftyone_coreset as fc

name, *methods = sys.argv[1:]
dataset = fo.load_dataset(name)
for method in methods:
    fc.compute_coreset(dataset, "clip_embeddings", brain_key=method, method=method, projection=None, overwrite=True)
print(fc.compare_coresets(dataset, methods, budget="20%"))
