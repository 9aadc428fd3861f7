"""FiftyOne's near-duplicates on given vectors: pairs by the smallest threshold at which they are found."""

import csv
import sys
from pathlib import Path

import fiftyone as fo
import fiftyone.brain as fob
import numpy as np

images, pairs, _, vectors = sys.argv[1:]
stored = np.load(vectors)
dataset = fo.Dataset()
dataset.add_samples([fo.Sample(filepath=str(Path(images, name))) for name in stored["files"].tolist()], progress=False)
index = fob.compute_near_duplicates(dataset, embeddings=stored["vectors"])
name_of = dict(zip(dataset.values("id"), stored["files"].tolist(), strict=True))
with open(pairs, "w", newline="") as file:
    for threshold in np.arange(0.05, 1.2, 0.05):
        index.find_duplicates(thresh=threshold)
        csv.writer(file).writerows(
            (name_of[one], name_of[other], -threshold)
            for one, others in index.neighbors_map.items()
            for other, _ in others
        )
dataset.delete()
