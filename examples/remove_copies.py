"""Tag all but one image of each group of near-copies: ``python examples/remove_copies.py DATASET``."""

import sys

import fiftyone as fo
import fiftyone_coreset as fc

dataset = fo.load_dataset(sys.argv[1])
copies = fc.near_duplicates(dataset, "clip_embeddings", prefer="sharpest").of_kind("exact", "near-copy")
spare = [row for group in copies.groups for row in group[1:]]
dataset.select(spare).tag_samples("spare copy")
print(f"{len(spare)} spare copies in {len(copies.groups)} groups")
