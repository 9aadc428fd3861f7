"""Tag training, validation and test images that share no near-copies: ``python examples/split.py DATASET``."""

import sys

import fiftyone as fo
import fiftyone_coreset as fc

dataset = fo.load_dataset(sys.argv[1])
parts = {"train part": 0.8, "val part": 0.1, "test part": 0.1}
print(fc.split_by_coverage(dataset, parts, "clip_embeddings", tag=True, overwrite=True))
