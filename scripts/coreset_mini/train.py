"""Trains coreset-mini, the small CLIP that ships with the package, from scratch on two CPU cores.

    python -m scripts.coreset_mini.train --data DIR --out OUT

``DIR`` holds ``cifar10_24k.zip`` and ``caltech101_64px.zip``. ``OUT`` gets the open_clip model config, the weights
(fp16 safetensors), the BPE merges and ``train.log``. The result depends on the seed and the flags alone: every step
draws its images, augmentations and captions from the step number, so a run may be stopped and resumed.

The loss is CLIP's, with duplicates merged: a step writes one fresh caption for every class; each image must find the
caption of its class, and each caption the images of its class. Captions of families ("an insect") are taught beside.
"""

import argparse
import copy
import gzip
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import open_clip
import torch
from open_clip.tokenizer import default_bpe
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from . import captions, data
from .augment import SIZE, augment, cutmix, normalise

NAME = "coreset-mini"
MERGES = 6144
CONFIG = {
    "embed_dim": 96,
    "vision_cfg": {"image_size": SIZE, "layers": [2, 2, 3, 1], "width": 16},
    # open_clip's tokenizer has 2 x 256 bytes, one entry a merge, and two special tokens
    "text_cfg": {"context_length": 32, "vocab_size": 514 + MERGES, "width": 64, "heads": 4, "layers": 2},
}

#: A step runs in so many threads of one core each: they meet once a step, whereas the threads inside an operator meet
#: at every operator, which costs half the speed as soon as anything else wants a core.
REPLICAS = 2
#: Images a replica: CIFAR-10, Caltech-101, digits. Digits need far more than their share to be told apart by text.
MIX = (94, 46, 20)
WARMUP, DECAY, GENTLE = 300, 0.35, 0.12  # steps; share of steps with a falling rate; share without augmentation
LEARNING_RATE, WEIGHT_DECAY, EMA = 2e-3, 0.05, 0.998
LOGIT_SCALE_RATE, LOGIT_SCALE_MAX = 1e-2, math.log(100)
TEXT_TO_IMAGE, FAMILY, KINGDOM = 0.3, 0.2, 0.1  # weights of the losses beside image-to-text


@dataclass(frozen=True)
class Vocabulary:
    """Classes of all sources as one list of concepts.

    Attributes:
        names: training names of each class.
        families: (classes, families) one-hot.
        kingdoms: (classes, kingdoms) one-hot.
        family_names: words of the families.
        kingdom_names: words of the kingdoms.
        overlaps: (classes, classes) bool, pairs that are never taught as opposites.
        position: class folder -> class.
    """

    names: list[tuple[str, ...]]
    families: Tensor
    kingdoms: Tensor
    family_names: list[str]
    kingdom_names: list[str]
    overlaps: Tensor
    position: dict[str, int]


def build_vocabulary() -> Vocabulary:
    """Merges the classes of the three sources; aeroplanes occur in two of them."""
    position: dict[str, int] = {}
    names: list[tuple[str, ...]] = []
    groups: list[str] = []
    known: dict[captions.Concept, int] = {}
    for folder, concept in {**captions.CIFAR10, **captions.CALTECH101, **captions.DIGITS}.items():
        if concept not in known:
            known[concept] = len(names)
            names.append(captions.training_names(folder, concept))
            groups.append(concept.group)
        position[folder] = known[concept]
    family_names = sorted(set(groups))
    kingdom_names = list(captions.KINGDOMS)
    families = torch.tensor([family_names.index(group) for group in groups])
    kingdoms = torch.tensor([kingdom_names.index(captions.kingdom_of(group)) for group in groups])
    overlaps = torch.zeros(len(names), len(names), dtype=torch.bool)
    for wide, narrow in captions.OVERLAPS.items():
        for folder in narrow:
            overlaps[position[wide], position[folder]] = overlaps[position[folder], position[wide]] = True
    return Vocabulary(
        names,
        F.one_hot(families, len(family_names)).float(),
        F.one_hot(kingdoms, len(kingdom_names)).float(),
        family_names,
        kingdom_names,
        overlaps,
        position,
    )


def write_merges(path: Path) -> None:
    """Cuts open_clip's merges down to the first ``MERGES``."""
    with gzip.open(default_bpe(), "rt", encoding="utf-8") as lines:
        kept = [next(lines) for _ in range(1 + MERGES)]
    path.write_bytes(gzip.compress("".join(kept).rstrip("\n").encode(), mtime=0))


def build_model(out: Path) -> tuple[open_clip.CLIP, data.Crop, Callable[[list[str]], Tensor]]:
    """The untrained model, the crop of its preprocessing, and its tokenizer."""
    config_path, merges_path = out / f"{NAME}.json", out / f"{NAME}-merges.txt.gz"
    config_path.write_text(json.dumps(CONFIG, indent=2) + "\n")
    write_merges(merges_path)
    open_clip.add_model_config(config_path)
    model, _, preprocess = open_clip.create_model_and_transforms(NAME)
    crop = preprocess.transforms[:-2]  # without to-tensor and normalise, which a step does to a whole batch

    def to_square(image: data.Image.Image) -> data.Image.Image:
        for transform in crop:
            image = transform(image)
        return image

    return model, to_square, open_clip.get_tokenizer(NAME, bpe_path=str(merges_path))


class Batches:
    """Draws training batches: same step, same batch.

    Args:
        sets: training parts of the sources, in the order of ``MIX``.
        vocabulary: the classes.
        writer: writes captions.
        seed: seed of the run.
    """

    def __init__(
        self, sets: list[data.ImageSet], vocabulary: Vocabulary, writer: captions.CaptionWriter, seed: int
    ) -> None:
        self._sets, self._vocabulary, self._writer, self._seed = sets, vocabulary, writer, seed
        self._classes = [
            np.array([vocabulary.position[folder] for folder in part.folders])[part.labels] for part in sets
        ]
        self._weights = []
        for part in sets:  # inverse root of the class size: Caltech-101 has classes of 30 and of 800 images
            weight = (1 / np.sqrt(np.bincount(part.labels)))[part.labels]
            self._weights.append(np.cumsum(weight / weight.sum()))

    def draw(self, step: int, replica: int, gentle: bool) -> tuple[Tensor, Tensor, list[str]]:
        """Normalised images (channels last), soft class targets, and a caption for every class, family, kingdom."""
        rng = np.random.default_rng([self._seed, step, replica])
        pixels, classes = [], []
        for part, known, weights, count in zip(self._sets, self._classes, self._weights, MIX, strict=True):
            rows = np.minimum(np.searchsorted(weights, rng.random(count)), len(known) - 1)
            pixels.append(part.images[rows, rng.integers(part.images.shape[1], size=count)])
            classes.append(known[rows])
        images = torch.from_numpy(np.concatenate(pixels)).permute(0, 3, 1, 2).float().div_(255)
        may_flip = torch.arange(len(images)) < sum(MIX[:2])  # a mirrored digit is another sign
        images = augment(images, may_flip, rng, gentle)
        labels = torch.from_numpy(np.concatenate(classes))
        targets = F.one_hot(labels, len(self._vocabulary.names)).float()
        if not gentle and rng.random() < 0.5:
            images, targets = cutmix(images, targets, rng)
        vocabulary = self._vocabulary
        names = [each[rng.integers(len(each))] for each in vocabulary.names]
        texts = [self._writer.write(name, rng) for name in names + vocabulary.family_names + vocabulary.kingdom_names]
        return normalise(images), targets, texts


def encode_text(model: open_clip.CLIP, tokens: Tensor) -> Tensor:
    """As ``model.encode_text``, without the padding: attention is causal, so what follows the end never counts."""
    ends = tokens.argmax(1)
    tokens = tokens[:, : int(ends.max()) + 1]
    x = model.token_embedding(tokens) + model.positional_embedding[: tokens.shape[1]]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[: tokens.shape[1], : tokens.shape[1]]))
    return F.normalize(x[torch.arange(len(x)), ends].float() @ model.text_projection, dim=-1)


def contrastive_loss(image: Tensor, text: Tensor, targets: Tensor, scale: Tensor, vocabulary: Vocabulary) -> Tensor:
    """CLIP's loss with soft targets and duplicates merged, plus image-to-text over families and kingdoms."""
    logits = scale * image @ text.T
    classes, families, kingdoms = logits.split(
        [len(vocabulary.names), len(vocabulary.family_names), len(vocabulary.kingdom_names)], 1
    )
    hidden = (targets @ vocabulary.overlaps.float() > 0) & (targets == 0)
    classes = classes.masked_fill(hidden, -1e4)
    present = targets.sum(0) > 0
    columns = targets[:, present] / targets[:, present].sum(0)
    text_to_image = -(columns * classes[:, present].log_softmax(0)).sum(0).mean()
    return (
        F.cross_entropy(classes, targets)
        + TEXT_TO_IMAGE * text_to_image
        + FAMILY * F.cross_entropy(families, targets @ vocabulary.families)
        + KINGDOM * F.cross_entropy(kingdoms, targets @ vocabulary.kingdoms)
    )


def build_optimizer(model: open_clip.CLIP) -> torch.optim.Optimizer:
    """AdamW; matrices decay, the logit scale has a rate of its own (it hardly moves otherwise)."""
    matrices, others = [], []
    for name, parameter in model.named_parameters():
        if name != "logit_scale":
            decays = parameter.ndim > 1 and "embedding" not in name
            (matrices if decays else others).append(parameter)
    groups = [
        {"params": matrices, "weight_decay": WEIGHT_DECAY, "peak": LEARNING_RATE},
        {"params": others, "peak": LEARNING_RATE},
        {"params": [model.logit_scale], "peak": LOGIT_SCALE_RATE},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.99), weight_decay=0.0, foreach=True)


def rate(step: int, steps: int) -> float:
    """Warm-up, plateau, linear decay. Until the decay it does not depend on the length of the run."""
    return min(1.0, (step + 1) / WARMUP, (steps - step) / (DECAY * steps))


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, step: int) -> None:
    """Moves the average of weights and batch statistics towards the model."""
    pace = max(1 - EMA, 1 / (step + 1))
    for old, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if old.dtype.is_floating_point:
            old.lerp_(new, pace)
        else:
            old.copy_(new)


@torch.no_grad()
def accuracy(model: open_clip.CLIP, tokenizer: Callable[[list[str]], Tensor], part: data.ImageSet) -> float:
    """Zero-shot top-1 accuracy with the canonical names and the plain prompt."""
    model.eval()
    concepts = {**captions.CIFAR10, **captions.CALTECH101, **captions.DIGITS}
    text = encode_text(model, tokenizer([captions.PROMPT.format(concepts[f].names[0]) for f in part.folders]))
    right = 0
    for start in range(0, len(part.labels), 256):
        images = torch.from_numpy(part.images[start : start + 256, 0]).permute(0, 3, 1, 2).float() / 255
        found = (model.encode_image(normalise(images)) @ text.T).argmax(1).numpy()
        right += int((found == part.labels[start : start + 256]).sum())
    return right / len(part.labels)


def save_weights(model: open_clip.CLIP, path: Path) -> None:
    """fp16 safetensors, which open_clip loads by path."""
    state = {
        key: (value.half() if value.dtype.is_floating_point else value).contiguous()
        for key, value in model.state_dict().items()
        if key != "attn_mask"
    }
    save_file(state, path, metadata={"format": "pt"})


def image_sets(folder: Path, crop: data.Crop, keep_validation: bool) -> tuple[list[data.ImageSet], list[data.ImageSet]]:
    """The images of each source to train on, with those to validate with if these are kept, and the latter."""
    sets = [data.load_cifar10(folder, crop), data.load_caltech101(folder, crop), data.load_digit_images(crop)]
    train = [
        data.ImageSet(s.folders, s.images[keep], s.labels[keep], s.splits[keep])
        for s in sets
        for keep in [s.splits < (2 if keep_validation else 1)]
    ]
    return train, [each.part("validation") for each in sets]


class Trained:
    """What training changes: the model, its running average and the optimizer."""

    def __init__(self, model: open_clip.CLIP) -> None:
        self.model = model.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(model)
        self.optimizer = build_optimizer(model)
        # replicas share the weights but not the batch statistics; those of the first are kept
        shared = {id(parameter): parameter for parameter in model.parameters()}
        self.replicas = [model, *(copy.deepcopy(model, dict(shared)) for _ in range(1, REPLICAS))]

    def resume(self, path: Path) -> int:
        """Continues a checkpoint; returns the number of steps done."""
        saved = torch.load(path, weights_only=True)
        for name in ("model", "average", "optimizer"):
            getattr(self, name).load_state_dict(saved[name])
        return saved["step"]

    def save(self, path: Path, step: int) -> None:
        """Writes a checkpoint."""
        parts = {name: getattr(self, name).state_dict() for name in ("model", "average", "optimizer")}
        torch.save({"step": step, **parts}, path)

    def step(self, gradients: Sequence[tuple[Tensor, ...]], number: int, steps: int) -> None:
        """Follows the mean of the replicas' gradients."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * rate(number, steps)
        for parameter, *each in zip(self.model.parameters(), *gradients, strict=True):
            parameter.grad = torch.stack(each).mean(0)
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(max=LOGIT_SCALE_MAX)
        update_average(self.average, self.model, number)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the two zip files")
    parser.add_argument("--out", type=Path, required=True, help="folder for the model files and the log")
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--validate-every", type=int, default=500)
    parser.add_argument("--keep-validation", action="store_true", help="train on the validation images as well")
    parser.add_argument("--checkpoint-every", type=int, default=1000)
    parser.add_argument("--resume", type=Path, help="checkpoint from before the decay, also of a run of other length")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    args.out.mkdir(parents=True, exist_ok=True)
    log_file = (args.out / "train.log").open("a")

    def log(text: str) -> None:
        for stream in (sys.stdout, log_file):
            print(text, file=stream, flush=True)

    log(f"# {json.dumps(CONFIG)} steps={args.steps} seed={args.seed} keep_validation={args.keep_validation}")
    model, crop, tokenizer = build_model(args.out)
    train, validation = image_sets(args.data, crop, args.keep_validation)
    log(f"# images: train {[len(s.labels) for s in train]} validation {[len(s.labels) for s in validation]}")
    vocabulary = build_vocabulary()
    batches = Batches(train, vocabulary, captions.CaptionWriter(args.out / f"{NAME}-merges.txt.gz"), args.seed)
    trained = Trained(model)
    first = trained.resume(args.resume) if args.resume else 0

    def gradients(step: int, replica: int) -> tuple[float, tuple[Tensor, ...]]:
        images, targets, texts = batches.draw(step, replica, gentle=step >= (1 - GENTLE) * args.steps)
        net = trained.replicas[replica].train()
        with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):  # the cache is shared by all threads
            image = F.normalize(net.visual(images).float(), dim=-1)
            text = encode_text(net, tokenizer(texts))
        loss = contrastive_loss(image, text.float(), targets, net.logit_scale.exp(), vocabulary)
        return loss.item(), torch.autograd.grad(loss, list(net.parameters()))

    pool = ThreadPoolExecutor(REPLICAS)
    started, running = time.time(), 0.0
    for step in range(first, args.steps):
        losses, parts = zip(*pool.map(gradients, [step] * REPLICAS, range(REPLICAS)), strict=True)
        trained.step(parts, step, args.steps)
        running += sum(losses) / REPLICAS
        done = step + 1
        if done % 100 == 0:
            log(
                f"step {done} loss {running / 100:.3f} scale {model.logit_scale.exp().item():.1f}"
                f" {100 * REPLICAS * sum(MIX) / (time.time() - started):.0f} images/s"
            )
            started, running = time.time(), 0.0
        if done % args.validate_every == 0 or done == args.steps:
            figures = [accuracy(trained.average, tokenizer, part) for part in validation]
            log(f"step {done} validation cifar10 {figures[0]:.3f} caltech101 {figures[1]:.3f} digits {figures[2]:.3f}")
        if done % args.checkpoint_every == 0:
            trained.save(args.out / f"checkpoint-{done}.pt", done)
    save_weights(trained.average, args.out / f"{NAME}.safetensors")


if __name__ == "__main__":
    main()
