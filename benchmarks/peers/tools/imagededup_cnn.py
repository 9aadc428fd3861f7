"""imagededup's CNN method on given vectors, as its own weights have to be downloaded: pairs by cosine similarity."""

import csv
import sys

import numpy as np
from imagededup.methods import CNN
from imagededup.utils.models import CustomModel
from torch import nn

_, pairs, _, vectors = sys.argv[1:]
stored = np.load(vectors)
given = dict(zip(stored["files"].tolist(), stored["vectors"], strict=True))
method = CNN(verbose=False, model_config=CustomModel(name="given", model=nn.Identity(), transform=lambda image: image))
found = method.find_duplicates(encoding_map=given, min_similarity_threshold=0.5, scores=True)
with open(pairs, "w", newline="") as file:
    csv.writer(file).writerows((one, other, score) for one, others in found.items() for other, score in others)
