"""List labels that are probably wrong: ``python examples/wrong_labels.py DATASET LABEL_FIELD``."""

import sys

import fiftyone as fo
import fiftyone_coreset as fc

name, field = sys.argv[1:]
dataset = fo.load_dataset(name)
suspicious = fc.flag_suspicious_labels(dataset, "clip_embeddings", label_field=field, overwrite=True)
print(f"{len(suspicious)} labels look wrong")
for sample in suspicious.limit(10):
    print(f"{sample.filepath}: {sample[field].label}, or rather {sample['suspicious_class']}?")
