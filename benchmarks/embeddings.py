"""Embedding throughput beside FiftyOne's own ``dataset.compute_embeddings``, on the same weights.

Both embed the same generated 640 x 480 JPEGs with the same open_clip weights, batch size and number of workers, in
turn, within one process. A third contestant is this package without its reduced JPEG decoding.

    python -m benchmarks.embeddings --images 2000 --repeats 5 --write docs/benchmarks.md
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from fiftyone_coreset.demo.database import running_mongod
from fiftyone_coreset.demo.environment import use_private_fiftyone
from PIL import Image

SIZE = (640, 480)
OURS, FULL, THEIRS = "fiftyone-coreset", "fiftyone-coreset, full decoding", "FiftyOne"


def write_jpegs(folder: Path, n: int) -> list[str]:
    """Random crops of two photographs, with sensor noise: about 85 kB each, like a camera's."""
    from sklearn.datasets import load_sample_image

    photos = [Image.fromarray(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]
    rng = np.random.default_rng(0)
    folder.mkdir()
    paths = []
    for i in range(n):
        photo, scale = photos[i % 2], rng.uniform(0.3, 1)
        width, height = (int(side * scale) for side in photo.size)
        left, top = rng.integers(photo.width - width + 1), rng.integers(photo.height - height + 1)
        crop = photo.crop((left, top, left + width, top + height)).resize(SIZE, Image.Resampling.BICUBIC)
        noisy = np.asarray(crop, dtype=np.float32) + rng.normal(0, 3, (SIZE[1], SIZE[0], 1))
        paths.append(str(folder / f"{i:05d}.jpg"))
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(paths[-1], quality=90)
    return paths


def checkpoint_of(name: str, folder: Path) -> Path:
    """Weights for both: those of the bundled model, else random ones, which cost the same to run."""
    import open_clip
    from fiftyone_coreset.plugin.embeddings import bundled
    from safetensors.torch import save_file

    if name == bundled.BUNDLED_NAME:
        open_clip.add_model_config(bundled.CONFIG_PATH)
        return bundled.WEIGHTS_PATH
    path = folder / f"{name}.safetensors"
    state = open_clip.create_model(name).state_dict()
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, path)
    return path


def fiftyone_model(name: str, checkpoint: Path):
    """FiftyOne's own wrapper of open_clip, configured as in its model zoo."""
    import fiftyone.utils.open_clip as fouo
    from fiftyone_coreset.plugin.embeddings import bundled

    config = {
        "clip_model": name,
        "pretrained": str(checkpoint),
        "embeddings_layer": "visual",
        "text_prompt": "A photo of",
        "classes": ["cat"],
        "entrypoint_fcn": "",
        "output_processor_cls": "fiftyone.utils.torch.ClassifierOutputProcessor",
    }
    model = fouo.TorchOpenClipModel(fouo.TorchOpenClipModelConfig(config))
    if name == bundled.BUNDLED_NAME:  # its vocabulary is smaller than the one FiftyOne assumes
        model._tokenizer = bundled.load_bundled_clip()[2]
    return model


def contestants(dataset, name: str, checkpoint: Path, batch_size: int, num_workers: int) -> dict[str, Callable]:
    """Functions that embed the whole dataset into a new field."""
    from fiftyone_coreset import compute_embeddings
    from fiftyone_coreset.plugin.embeddings import bundled, framing

    both = {"batch_size": batch_size, "num_workers": num_workers, "progress": False}
    weights = {"checkpoint": checkpoint} if name != bundled.BUNDLED_NAME else {}
    model = fiftyone_model(name, checkpoint)

    def ours(field: str) -> None:
        compute_embeddings(dataset, field, model=name, device="cpu", **weights, **both)

    def full(field: str) -> None:
        gap, framing.DRAFT_GAP = framing.DRAFT_GAP, float("inf")
        ours(field)
        framing.DRAFT_GAP = gap

    def theirs(field: str) -> None:
        dataset.compute_embeddings(model, embeddings_field=field, **both)

    return {OURS: ours, FULL: full, THEIRS: theirs}


def cosines(dataset, a: str, b: str) -> np.ndarray:
    """Cosine of each image's two vectors."""
    x, y = (np.stack(dataset.values(field)) for field in (a, b))
    x, y = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (x, y))
    return (x * y).sum(axis=1)


def processor_seconds() -> float:
    """Processor time of this process and of its finished workers, which busy neighbours hardly change."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def measure(
    paths: list[str], name: str, folder: Path, repeats: int, batch_size: int, num_workers: int
) -> Iterator[dict]:
    """Images per second and processor time by contestant and round, and how far the vectors agree."""
    import fiftyone as fo

    dataset = fo.Dataset()
    dataset.add_samples([fo.Sample(filepath=path) for path in paths], progress=False)
    runs = contestants(dataset, name, checkpoint_of(name, folder), batch_size, num_workers)
    fields = {who: f"vectors_{i}" for i, who in enumerate(runs)}
    rates: dict[str, list[float]] = {who: [] for who in runs}
    costs: dict[str, list[float]] = {who: [] for who in runs}
    for repeat in range(-1, repeats):  # the first round warms up caches and is not counted
        order = list(runs) if repeat % 2 else list(runs)[::-1]
        for who in order:
            if dataset.has_sample_field(fields[who]):
                dataset.delete_sample_field(fields[who])
            start, busy = time.perf_counter(), processor_seconds()
            runs[who](fields[who])
            rate = len(paths) / (time.perf_counter() - start)
            cost = 1000 * (processor_seconds() - busy) / len(paths)
            print(f"{name:14s} round {repeat:2d}  {who:32s} {rate:8.1f} images/s {cost:6.2f} ms each", flush=True)
            if repeat >= 0:
                rates[who].append(rate)
                costs[who].append(cost)
        if repeat >= 0:
            agreement = {
                OURS: cosines(dataset, fields[OURS], fields[THEIRS]),
                "draft": cosines(dataset, fields[OURS], fields[FULL]),
            }
            yield {"rates": rates, "costs": costs, "cosines": agreement}
    dataset.delete()


def table(results: dict[str, dict]) -> str:
    """The measurements as markdown: medians over the rounds."""
    lines = [
        "| model | | images/s | ours / FiftyOne, median (range) of rounds | processor ms an image | of FiftyOne's |",
        "|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        rates, costs = ({who: np.array(values) for who, values in result[key].items()} for key in ("rates", "costs"))
        for who in rates:
            ratio, share = rates[who] / rates[THEIRS], costs[who] / costs[THEIRS]
            lines.append(
                f"| {name} | {who} | {np.median(rates[who]):,.0f} | **{np.median(ratio):.2f}x** "
                f"({ratio.min():.2f}-{ratio.max():.2f}) | {np.median(costs[who]):.1f} | {np.median(share):.0%} |"
            )
    return "\n".join(lines)


def agreement(results: dict[str, dict]) -> str:
    """How far the vectors agree, in words."""
    sentences = []
    for name, result in results.items():
        theirs, draft = result["cosines"][OURS], result["cosines"]["draft"]
        sentences.append(
            f"{name}: cosine to FiftyOne's vectors {np.median(theirs):.5f} (median) and {theirs.min():.5f} (lowest of "
            f"{len(theirs):,}); of reduced to full decoding {np.median(draft):.5f} and {draft.min():.5f}."
        )
    return "\n".join(sentences)


def section(results: dict[str, dict], options: argparse.Namespace) -> str:
    """The page's section on embeddings."""
    import fiftyone
    import open_clip
    import PIL
    import torch

    rounds = len(next(iter(results.values()))["rates"][OURS])
    setting = (
        f"{options.images:,} generated JPEGs of {SIZE[0]} x {SIZE[1]} (about 85 kB each), batches of "
        f"{options.batch_size}, {options.num_workers} workers, {rounds} rounds in turn after one to warm up; "
        f"{os.cpu_count()} cores ({platform.machine()}), load average {os.getloadavg()[2]:.0f}, no GPU; "
        f"FiftyOne {fiftyone.__version__}, open_clip {open_clip.__version__}, torch {torch.__version__}, "
        f"Pillow {PIL.__version__}."
    )
    return f"""## Embedding throughput

From file to stored vector, on the same open_clip weights, beside FiftyOne's own `dataset.compute_embeddings`.
{setting}
With a load average well above the number of cores the machine was shared, so images per second say little; compare the
ratios of the rounds and the processor time instead.

{table(results)}

{agreement(results)}

Made with `python -m benchmarks.embeddings --images {options.images} --repeats {options.repeats} --models \
{" ".join(options.models)} --write docs/benchmarks.md`. Models other than coreset-mini have random weights here, which
cost the same to run.

Where the time goes: workers hand over 8-bit pixels, a quarter of the bytes of float tensors, and normalising is done
for a whole batch; only the part of an image that ends up in the model's square crop is resampled; file paths are read
from the database once rather than image by image. A JPEG is decoded at 1/2, 1/4 or 1/8 of its size, which the format
allows cheaply, if the result is at least twice the model's input size; "full decoding" is without it. For 640 x 480
images this matters for small inputs (64 pixels), not for 224; for photographs of 12 megapixels it matters for both.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--num-workers", type=int, default=2)
    parser.add_argument("--models", nargs="+", default=["coreset-mini", "ViT-S-32"])
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="coreset-benchmark-") as folder:
        home = Path(folder)
        use_private_fiftyone(home)
        paths = write_jpegs(home / "images", options.images)
        results: dict[str, dict] = {}
        with running_mongod(home):
            for name in options.models:
                rounds = measure(paths, name, home, options.repeats, options.batch_size, options.num_workers)
                for results[name] in rounds:
                    text = section(results, options)
                    if options.write:
                        options.write.write_text(f"# Benchmarks\n\n{text}")
        print(text)


if __name__ == "__main__":
    main()
