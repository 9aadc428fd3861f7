"""Rank, and write a page for people without FiftyOne: ``python examples/share_a_page.py DATASET page.html``."""

import sys

import fiftyone as fo
import fiftyone_coreset as fc

name, page = sys.argv[1:]
dataset = fo.load_dataset(name)
results = fc.compute_coreset(dataset, "clip_embeddings", brain_key="shared", projection="pca", overwrite=True)
print(results.share(page, budget="10%", overwrite=True))
