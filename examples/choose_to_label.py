"""Choose a tenth of a dataset to label: ``python examples/choose_to_label.py DATASET``."""

import sys

import fiftyone as fo
import fiftyone_coreset as fc

dataset = fo.load_dataset(sys.argv[1])
results = fc.compute_coreset(dataset, "clip_embeddings", brain_key="to_label", projection="pca", overwrite=True)
view = fc.create_coreset_view(dataset, "to_label", budget="10%", overwrite=True)
print(results.report("10%"))
print(f"{len(view)} images in the saved view {view.name!r}")
