"""cleanvision's exact and near-duplicate sets: one operating point, so every pair has the score 1."""

import csv
import itertools
import sys
from pathlib import Path

from cleanvision import Imagelab

images, pairs, _, _ = sys.argv[1:]
lab = Imagelab(data_path=images)
lab.find_issues({"near_duplicates": {}, "exact_duplicates": {}}, verbose=False)
sets = [group for kind in ("near_duplicates", "exact_duplicates") for group in lab.info[kind]["sets"]]
with open(pairs, "w", newline="") as file:
    csv.writer(file).writerows(
        (Path(one).name, Path(other).name, 1.0) for group in sets for one, other in itertools.combinations(group, 2)
    )
