"""The public functions: plain arrays in, scores, selections and suspicious labels out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....errors import CoresetError
from ....progress import ProgressCallback, part_of, reporting
from ...apportion import take_turns
from .inputs import LabelledEmbeddings, prepare
from .noise import SuspiciousLabels, fit_noise
from .objective import CONTRAST, DIVERSITY_CAP, DIVERSITY_WEIGHT, gradient_descent, objective
from .scores import alignment, class_margin, diversity, rescale

#: adapter= of the public functions.
ADAPTERS = ("none", "linear", "confident")

#: optimizer= of the public functions.
OPTIMIZERS = ("exact", "sgd")

#: balance= of the public functions, and the turns that a class of s images gets.
BALANCES = {
    "none": None,
    "proportional": lambda sizes: sizes,
    "sqrt": np.sqrt,
    "uniform": np.ones_like,
}


@dataclass(frozen=True)
class ClipPoweredScores:
    """Scores of n input rows; rows that were left out hold NaN.

    Attributes:
        score: (n,) float64, higher = keep: ``agreement / mean + diversity_weight * room / mean``, see
            :func:`clip_powered_scores`
        alignment: (n,) float64 in [0, 1], agreement of the image with its label (SAS)
        diversity: (n,) float64 in [0, 1], room around the image within its class (SDS)
        suspicion: (n,) float64 probability in [0, 1] that the label is wrong, see :mod:`.noise`; 0 with one class
        label: (n,) int64 number in ``classes`` of the given label, or of the guessed one, -1 in rows left out
        classes: the class labels
        rows: (m,) int64 the scored rows, in the seeded order in which equal scores are taken
        facts: JSON-able facts: counts of what was left out or guessed, how the adapters were trained, and the estimated
            share of wrong labels
    """

    score: np.ndarray
    alignment: np.ndarray
    diversity: np.ndarray
    suspicion: np.ndarray
    label: np.ndarray
    classes: list[Any]
    rows: np.ndarray
    facts: dict[str, Any]


def clip_powered_scores(
    image_embeddings: Any,
    labels: Sequence[Any] | np.ndarray,
    text_embeddings: Mapping[Any, Any] | np.ndarray,
    *,
    adapter: str = "confident",
    contrast: float = CONTRAST,
    diversity_weight: float = DIVERSITY_WEIGHT,
    diversity_cap: float = DIVERSITY_CAP,
    n_neighbors: int | None = None,
    clip: float = 0.01,
    unlabelled: str = "exclude",
    seed: int = 0,
    device: str | None = None,
    progress: bool | ProgressCallback | None = False,
) -> ClipPoweredScores:
    """Scores labelled images by agreement with their label and by diversity within their class.

    The score of an image is ``agreement / mean + diversity_weight * room / mean``. Agreement is its cosine with the
    text of its label plus ``contrast`` times the margin to the best other class; room is its diversity up to
    ``diversity_cap``. ``contrast=0, diversity_cap=1, clip=0`` is the published score.

    Args:
        image_embeddings: (n, d) image embeddings of a model with a text tower; rows that are missing or not finite
            are left out
        labels: n class names or class numbers; ``None``, NaN, empty or negative means unlabelled
        text_embeddings: a mapping from label to (d,) text embedding of the same model, see
            :func:`.text.class_text_embeddings`; or a (C, d) array whose rows belong to the class numbers 0..C-1, or
            to the distinct class names in sorted order
        adapter ("confident"): the adaptation to this dataset: ``"linear"`` trains one linear map for images and one for
            texts on the given labels, ``"confident"`` trains them on the half of each class that the untrained
            embedding supports most, which keeps wrong labels out, ``"none"`` uses the embeddings as they are. Fewer
            than 40 images, or one class, are not adapted to
        contrast (1.0): how much the margin to the best other class counts besides the cosine with the own; tells
            wrong labels better. Published: 0
        diversity_weight (0.1): weight of diversity against agreement, the published lambda
        diversity_cap (0.5): share of the images below which diversity counts; further out nothing is gained, since
            damaged images lie far from all others. Published: 1
        n_neighbors (None): images of a class, itself included, that the diversity of an image is measured on; by
            default a tenth of the class, between 10 and 100
        clip (0.01): share of the images on either side that scaling treats as outliers; the published scaling is 0
        unlabelled ("exclude"): what to do without a label: ``"exclude"``, or ``"pseudo"`` to use the class whose text
            agrees most
        seed (0): of the adapters and of the order among equal scores
        device (None): torch device for the adapters; by default CUDA if there is one, else the CPU
        progress (False): True for a terminal bar, or a function ``(fraction, message)``

    Returns:
        :class:`ClipPoweredScores`; they do not depend on the order of the rows

    Raises:
        CoresetError: if inputs do not fit together, a label has no text embedding, or no row can be scored
    """
    _check_knobs(contrast, diversity_weight, diversity_cap, n_neighbors, clip)
    with reporting(progress, "CLIP-powered scores") as report:
        data = prepare(image_embeddings, labels, text_embeddings, unlabelled, seed)
        images, texts, facts = _adapted(data, adapter, seed, device, part_of(report, 0.0, 0.6))
        sas = alignment(images, data.labels, texts)
        agreement = sas + contrast * class_margin(images, data.labels, texts) if contrast else sas
        sds = diversity(images, data.labels, n_neighbors, part_of(report, 0.6, 1.0))
        room = np.minimum(sds, np.quantile(sds, diversity_cap))
        suspicion = np.zeros(len(images))
        if facts["n_classes"] > 1:
            noise = fit_noise(data.images, data.labels, data.texts)  # an adapter may have learned the wrong labels
            suspicion, _ = noise.suspicion(data.images, data.labels, data.texts)
            facts["share_wrong"] = round(noise.rate, 4)
    return ClipPoweredScores(
        score=data.spread(objective(rescale(agreement, clip), rescale(room, clip), diversity_weight), np.nan),
        alignment=data.spread(rescale(sas, clip), np.nan),
        diversity=data.spread(rescale(sds, clip), np.nan),
        suspicion=data.spread(suspicion, np.nan),
        label=data.spread(data.labels, -1),
        classes=data.classes,
        rows=data.rows,
        facts=facts,
    )


def _check_knobs(
    contrast: float, diversity_weight: float, diversity_cap: float, n_neighbors: int | None, clip: float
) -> None:
    if contrast < 0 or diversity_weight < 0:
        raise CoresetError(
            f"contrast and diversity_weight must be >= 0, got {contrast} and {diversity_weight}; "
            f"the defaults are {CONTRAST} and {DIVERSITY_WEIGHT}"
        )
    if not 0 < diversity_cap <= 1 or not 0 <= clip < 0.5:
        raise CoresetError(
            f"diversity_cap must be in (0, 1] and clip in [0, 0.5), got {diversity_cap} and {clip}; "
            f"the defaults are {DIVERSITY_CAP} and 0.01"
        )
    if n_neighbors is not None and n_neighbors < 2:
        raise CoresetError(f"n_neighbors={n_neighbors}: counts the image itself, so give at least 2")


def clip_powered_ranking(scores: ClipPoweredScores, balance: str) -> np.ndarray:
    """Orders the scored rows so that every prefix is the selection of that size.

    Args:
        scores: the scores
        balance: how the classes share any budget: ``"proportional"`` to their size, by its square
            root (``"sqrt"``), evenly (``"uniform"``; a class that runs out leaves its turns to the others), or by
            score alone as published (``"none"``)

    Returns:
        (m,) int64 rows, first to keep first
    """
    if balance not in BALANCES:
        raise CoresetError(f"balance={balance!r}: choose one of {', '.join(BALANCES)}")
    order = scores.rows[np.argsort(-scores.score[scores.rows], kind="stable")]
    turns = BALANCES[balance]
    if turns is None:
        return order
    sizes = np.bincount(scores.label[order], minlength=len(scores.classes))
    return take_turns(order, scores.label, turns(np.maximum(sizes, 1).astype(float)))


def select_clip_powered(
    scores: ClipPoweredScores, k: int, *, balance: str = "proportional", optimizer: str = "exact"
) -> np.ndarray:
    """Selects exactly k rows.

    Args:
        scores: the scores
        k: how many rows to keep
        balance ("proportional"): how the classes share the budget, see :func:`clip_powered_ranking`
        optimizer ("exact"): ``"exact"`` takes the closed form of the published objective, its largest terms;
            ``"sgd"`` runs the published gradient descent, within each class if there is a balance

    Returns:
        (k,) int64 rows, first to keep first

    Raises:
        CoresetError: if fewer than k rows are scored, or the descent does not converge
    """
    if not 1 <= k <= len(scores.rows):
        raise CoresetError(
            f"k={k}: {len(scores.rows)} of {len(scores.score)} images have both an embedding and a label; "
            f"ask for 1 to {len(scores.rows)}"
        )
    check_optimizer(optimizer)
    ranking = clip_powered_ranking(scores, balance)
    if optimizer == "exact":
        return ranking[:k]
    stratum = np.zeros_like(scores.label) if balance == "none" else scores.label
    kept = np.zeros(len(scores.score), dtype=bool)
    for number, quota in enumerate(np.bincount(stratum[ranking[:k]])):
        members = ranking[stratum[ranking] == number]
        kept[members[gradient_descent(scores.score[members], quota)]] = True
    return ranking[kept[ranking]]


def check_optimizer(optimizer: str) -> None:
    """Refuses an ``optimizer=`` that does not exist."""
    if optimizer not in OPTIMIZERS:
        raise CoresetError(f"optimizer={optimizer!r}: choose 'exact' or 'sgd'")


def check_threshold(threshold: float) -> None:
    """Refuses a ``threshold=`` that is no probability."""
    if not 0 < threshold < 1:
        raise CoresetError(f"threshold={threshold}: a probability between 0 and 1, by default 0.5")


def find_suspicious_labels(
    image_embeddings: Any,
    labels: Sequence[Any] | np.ndarray,
    text_embeddings: Mapping[Any, Any] | np.ndarray,
    *,
    adapter: str = "none",
    threshold: float = 0.5,
    seed: int = 0,
    device: str | None = None,
    progress: bool | ProgressCallback | None = False,
) -> SuspiciousLabels:
    """Finds labels that are probably wrong, and the class that each image agrees with instead.

    Args:
        image_embeddings: (n, d) image embeddings, see :func:`clip_powered_scores`
        labels: n class names or class numbers; images without a label are not checked
        text_embeddings: the text embeddings of the classes, see :func:`clip_powered_scores`
        adapter ("none"): the adaptation to this dataset, see :func:`clip_powered_scores`; an adapter can learn wrong
            labels that follow a pattern
        threshold (0.5): how probable it must be that the label is wrong; more gives fewer and surer finds
        seed (0): of the adapters
        device (None): torch device for the adapters
        progress (False): True for a terminal bar, or a function ``(fraction, message)``

    Returns:
        :class:`SuspiciousLabels`

    Raises:
        CoresetError: as :func:`clip_powered_scores`, or if all labels are the same
    """
    check_threshold(threshold)
    with reporting(progress, "Suspicious labels") as report:
        data = prepare(image_embeddings, labels, text_embeddings, "exclude", seed)
        if (data.labels == data.labels[0]).all():
            raise CoresetError(
                f"labels: all {len(data.labels)} are {data.classes[data.labels[0]]!r}; suspicious labels show only "
                "against another class, so check a field with two classes or more"
            )
        images, texts, _ = _adapted(data, adapter, seed, device, part_of(report, 0.0, 0.9))
        noise = fit_noise(images, data.labels, texts)
        suspicion, suggested = noise.suspicion(images, data.labels, texts)
    flagged = np.flatnonzero(suspicion > threshold)
    return SuspiciousLabels(
        rows=data.rows[flagged[np.argsort(-suspicion[flagged], kind="stable")]],
        suspicion=data.spread(suspicion, np.nan),
        suggested=data.spread(suggested, -1),
        classes=data.classes,
        share_wrong=noise.rate,
    )


def _adapted(
    data: LabelledEmbeddings, adapter: str, seed: int, device: str | None, report: ProgressCallback
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Image and text embeddings after adaptation, and the facts of the run so far."""
    if adapter not in ADAPTERS:
        raise CoresetError(f"adapter={adapter!r}: choose one of {', '.join(ADAPTERS)}")
    facts: dict[str, Any] = {
        "adapter": adapter,
        "n_classes": len(np.unique(data.labels)),
        "n_without_embedding": data.n_without_embedding,
        "n_unlabelled": data.n_unlabelled,
        "n_pseudo": data.n_pseudo,
    }
    if adapter == "none":
        return data.images, data.texts, facts
    from .adapter import MIN_IMAGES, train_adapters

    if len(data.labels) < MIN_IMAGES or facts["n_classes"] < 2:
        facts["adapter"] = "none"
        facts["adapter_note"] = f"not adapted: that takes {MIN_IMAGES} images of two classes"
        return data.images, data.texts, facts
    trained = train_adapters(
        data.images,
        data.labels,
        data.texts,
        confident_only=adapter == "confident",
        seed=seed,
        device=device,
        report=report,
    )
    facts |= {
        "adapter_epochs": trained.epochs,
        "held_out_loss": [round(trained.held_out_losses[0], 4), round(min(trained.held_out_losses), 4)],
    }
    return trained.images(data.images), trained.texts(data.texts), facts
