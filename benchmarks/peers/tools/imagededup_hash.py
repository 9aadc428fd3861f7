"""imagededup's perceptual and difference hashes: pairs by Hamming distance of 64 bits."""

import csv
import sys

from imagededup.methods import DHash, PHash

images, pairs, method, _ = sys.argv[1:]
found = {"phash": PHash, "dhash": DHash}[method](verbose=False).find_duplicates(
    image_dir=images, max_distance_threshold=24, scores=True
)
with open(pairs, "w", newline="") as file:
    csv.writer(file).writerows((one, other, -score) for one, others in found.items() for other, score in others)
