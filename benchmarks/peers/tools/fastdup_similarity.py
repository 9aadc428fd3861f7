"""fastdup with its own model: pairs by its similarity."""

import csv
import sys
import tempfile
from pathlib import Path

import fastdup

images, pairs, _, _ = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    work = fastdup.create(work_dir=folder, input_dir=images)
    work.run(threshold=0.5, ccthreshold=0.5, nearest_neighbors_k=10, overwrite=True, print_summary=False)
    found = work.similarity()
    rows = [
        (Path(one).name, Path(other).name, score)
        for one, other, score in zip(found["filename_from"], found["filename_to"], found["distance"], strict=True)
    ]
with open(pairs, "w", newline="") as file:
    csv.writer(file).writerows(rows)
