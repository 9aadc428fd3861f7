"""fiftyone-coreset on the same vectors: pairs by their probability of being near-copies."""

import csv
import sys
from pathlib import Path

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np

images, pairs, _, vectors = sys.argv[1:]
stored = np.load(vectors)
dataset = fo.Dataset()
dataset.add_samples([fo.Sample(filepath=str(Path(images, name))) for name in stored["files"].tolist()], progress=False)
fc.compute_fingerprints(dataset, progress=False)
near = fc.near_duplicates(dataset, stored["vectors"])
name_of = dict(zip(dataset.values("id"), stored["files"].tolist(), strict=True))
with open(pairs, "w", newline="") as file:
    csv.writer(file).writerows(
        (name_of[pair["id_a"]], name_of[pair["id_b"]], pair["probability"])
        for pair in near.of_kind("exact", "near-copy").pairs
    )
dataset.delete()
