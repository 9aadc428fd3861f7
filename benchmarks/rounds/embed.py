"""Makes the file that ``benchmarks.rounds.run`` reads: two embeddings of the images of class folders, and their labels.

    python -m benchmarks.rounds.embed IMAGES --to caltech.npz --model mobilenetv2=/path/to/folder --judge coreset-mini
    python -m benchmarks.rounds.embed IMAGES --to own.npz --model ViT-L-14=/path/to/weights --judge ViT-B-32=/path

IMAGES is a zip or a folder whose last folders are the classes. ``--model`` sees what is selected, ``--judge`` is
another model, whose probe says whether a gain reaches beyond the embedding it was made on. A model is a name of
``fc.load_clip`` with a checkpoint, ``coreset-mini``, or ``mobilenetv2`` with the folder that holds its code and
weights. ``--only unseen`` leaves out the images that coreset-mini was trained on.
"""

from __future__ import annotations

import argparse
import tempfile
import zipfile
from pathlib import Path

import fiftyone_coreset as fc
import numpy as np
from PIL import Image

from ..quality.pools import embed, read_zip, unseen_by_mini


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--judge", default="coreset-mini")
    parser.add_argument("--pixels", type=int, default=64, help="side to which images are brought first")
    parser.add_argument("--only", choices=["unseen"])
    parser.add_argument("--most", type=int, default=20_000, help="images, drawn at random where there are more")
    args = parser.parse_args()
    images, labels, test = read(args.images, args.pixels)
    rows = np.flatnonzero(unseen_by_mini(labels, test)) if args.only else np.arange(len(labels))
    rows = np.sort(np.random.default_rng(0).permutation(rows)[: args.most])
    names = {"query": args.model, "judge": args.judge}
    vectors = {name: features(model, images[rows]).astype(np.float32) for name, model in names.items()}
    small = np.stack(
        [np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.BOX)) for image in images[rows]]
    )
    np.savez(args.to, labels=np.unique(labels[rows], return_inverse=True)[1], images=small, **vectors)
    print(f"{args.to}: {len(rows)} images, {len(np.unique(labels[rows]))} classes")


def read(path: Path, pixels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, class numbers, and which lie in ``test/``."""
    if path.is_file():
        return read_zip(path, pixels)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "images.zip")
        with zipfile.ZipFile(copy, "w") as archive:
            for file in sorted(path.rglob("*")):
                archive.write(file, file.relative_to(path).as_posix())
        return read_zip(copy, pixels)


def features(model: str, images: np.ndarray) -> np.ndarray:
    """(n, d) embeddings by a model as the command line names it."""
    import torch

    name, _, weights = model.partition("=")
    if name == "mobilenetv2":
        return embed(images, Path(weights))
    clip, preprocess, _ = fc.load_clip(name, checkpoint=weights or None)
    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), 128):
            batch = torch.stack([preprocess(Image.fromarray(image)) for image in images[start : start + 128]])
            parts.append(clip.encode_image(batch.to(next(clip.parameters()).device)).float().cpu().numpy())
    return np.concatenate(parts)


if __name__ == "__main__":
    main()
