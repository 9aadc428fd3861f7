"""What images with one tag have and those with another lack: ``what_is_missing.py DATASET train street``."""

import sys

import fiftyone as fo
import fiftyone_coreset as fc

name, train, used = sys.argv[1:]
dataset = fo.load_dataset(name)
sets = dataset.match_tags(train), dataset.match_tags(used)
compared = fc.compare_sets(*sets, "clip_embeddings", names=(train, used))
print(compared)
for path in compared.uncovered_view().limit(10).values("filepath"):
    print(path)
