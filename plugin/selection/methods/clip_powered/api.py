"""The public functions: plain arrays in, scores, selections and suspicious labels out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....errors import CoresetError
from ....progress import ProgressCallback, part_of, reporting
from ...apportion import take_turns
from .inputs import LabelledEmbeddings, prepare
from .noise import SuspiciousLabels, fit_noise
from .objective import gradient_descent, objective
from .scores import alignment, class_margin, diversity, rescale
from .settings import DEFAULTS, ClipPoweredSettings

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

    Examples:
        >>> images, given = np.eye(2).repeat(30, axis=0) + 0.1, ["cat"] * 30 + ["dog"] * 30
        >>> scores = fc.clip_powered_scores(images, given, {"cat": [1, 0], "dog": [0, 1]}, adapter="none")
        >>> scores.classes
        ['cat', 'dog']
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
    contrast: float = DEFAULTS.contrast,
    diversity_weight: float = DEFAULTS.diversity_weight,
    diversity_cap: float = DEFAULTS.diversity_cap,
    n_neighbors: int | None = None,
    clip: float = DEFAULTS.clip,
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

    Examples:
        >>> images, given = np.eye(2).repeat(30, axis=0) + 0.1, ["cat"] * 30 + ["dog"] * 30
        >>> scores = fc.clip_powered_scores(images, given, {"cat": [1, 0], "dog": [0, 1]}, adapter="none")
        >>> scores.score.shape
        (60,)
    """
    if n_neighbors is not None and n_neighbors < 2:
        raise CoresetError(f"n_neighbors={n_neighbors}: counts the image itself, so give at least 2")
    settings = replace(
        DEFAULTS, contrast=contrast, diversity_weight=diversity_weight, diversity_cap=diversity_cap, clip=clip
    )
    _check(settings)
    with reporting(progress, "CLIP-powered scores") as report:
        data = prepare(image_embeddings, labels, text_embeddings, unlabelled, seed)
        adapted = adapt(data, adapter, seed, device, part_of(report, 0.0, 0.6), settings)
        return score_adapted(data, adapted, settings, n_neighbors, part_of(report, 0.6, 1.0))


def score_adapted(
    data: LabelledEmbeddings,
    adapted: Adapted,
    settings: ClipPoweredSettings,
    n_neighbors: int | None = None,
    report: ProgressCallback | None = None,
) -> ClipPoweredScores:
    """Scores embeddings that were adapted; see :func:`clip_powered_scores`.

    Args:
        data: what is scored
        adapted: its embeddings after adaptation
        settings: the constants
        n_neighbors (None): images of a class that diversity is measured on, if not as the settings say
        report (None): called with the finished fraction and a message

    Returns:
        the scores
    """
    facts, clip = dict(adapted.facts), settings.clip
    sas = alignment(adapted.images, data.labels, adapted.texts)
    agreement = sas
    if settings.contrast:
        agreement = sas + settings.contrast * class_margin(adapted.images, data.labels, adapted.texts)
    sds = diversity(adapted.images, data.labels, n_neighbors, report, settings)
    room = np.minimum(sds, np.quantile(sds, settings.diversity_cap))
    suspicion = np.zeros(len(data.labels))
    if facts["n_classes"] > 1:
        # Of the embeddings as they are: an adapter may have learned the wrong labels.
        noise = fit_noise(data.images, data.labels, data.texts, settings)
        suspicion, _ = noise.suspicion(data.images, data.labels, data.texts)
        facts["share_wrong"] = round(noise.rate, 4)
    score = objective(rescale(agreement, clip), rescale(room, clip), settings.diversity_weight)
    return ClipPoweredScores(
        score=data.spread(score, np.nan),
        alignment=data.spread(rescale(sas, clip), np.nan),
        diversity=data.spread(rescale(sds, clip), np.nan),
        suspicion=data.spread(suspicion, np.nan),
        label=data.spread(data.labels, -1),
        classes=data.classes,
        rows=data.rows,
        facts=facts,
    )


def _check(settings: ClipPoweredSettings) -> None:
    if settings.contrast < 0 or settings.diversity_weight < 0:
        raise CoresetError(
            f"contrast and diversity_weight must be >= 0, got {settings.contrast} and {settings.diversity_weight}; "
            f"the defaults are {DEFAULTS.contrast} and {DEFAULTS.diversity_weight}"
        )
    if not 0 < settings.diversity_cap <= 1 or not 0 <= settings.clip < 0.5:
        raise CoresetError(
            f"diversity_cap must be in (0, 1] and clip in [0, 0.5), got {settings.diversity_cap} and {settings.clip}; "
            f"the defaults are {DEFAULTS.diversity_cap} and {DEFAULTS.clip}"
        )


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

    Examples:
        >>> images, given = np.eye(2).repeat(30, axis=0) + 0.1, ["cat"] * 30 + ["dog"] * 30
        >>> scores = fc.clip_powered_scores(images, given, {"cat": [1, 0], "dog": [0, 1]}, adapter="none")
        >>> sorted(fc.select_clip_powered(scores, 10) < 30).count(True)  # five cats of ten images
        5
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

    Examples:
        >>> images = np.eye(2).repeat(30, axis=0) + 0.1
        >>> given = ["cat"] * 30 + ["dog"] * 29 + ["cat"]  # the last one is wrong
        >>> found = fc.find_suspicious_labels(images, given, {"cat": [1, 0], "dog": [0, 1]})
        >>> found.rows.tolist(), found.suggested_labels()
        ([59], ['dog'])
    """
    check_threshold(threshold)
    with reporting(progress, "Suspicious labels") as report:
        data = prepare(image_embeddings, labels, text_embeddings, "exclude", seed)
        if (data.labels == data.labels[0]).all():
            raise CoresetError(
                f"labels: all {len(data.labels)} are {data.classes[data.labels[0]]!r}; suspicious labels show only "
                "against another class, so check a field with two classes or more"
            )
        adapted = adapt(data, adapter, seed, device, part_of(report, 0.0, 0.9))
        noise = fit_noise(adapted.images, data.labels, adapted.texts)
        suspicion, suggested = noise.suspicion(adapted.images, data.labels, adapted.texts)
    flagged = np.flatnonzero(suspicion > threshold)
    return SuspiciousLabels(
        rows=data.rows[flagged[np.argsort(-suspicion[flagged], kind="stable")]],
        suspicion=data.spread(suspicion, np.nan),
        suggested=data.spread(suggested, -1),
        classes=data.classes,
        share_wrong=noise.rate,
    )


@dataclass(frozen=True)
class Adapted:
    """Embeddings after adaptation.

    Attributes:
        images: (m, d) image embeddings
        texts: (C, d) text embeddings
        facts: the facts of the run so far
    """

    images: np.ndarray
    texts: np.ndarray
    facts: dict[str, Any]


def adapt(
    data: LabelledEmbeddings,
    adapter: str,
    seed: int,
    device: str | None,
    report: ProgressCallback,
    settings: ClipPoweredSettings = DEFAULTS,
) -> Adapted:
    """Adapts embeddings to their dataset, where that is asked for and there are enough of them.

    Args:
        data: what is scored
        adapter: ``"none"``, ``"linear"`` or ``"confident"``, see :func:`clip_powered_scores`
        seed: the random seed
        device: torch device; None for CUDA if there is one, else the CPU
        report: called with the finished fraction and a message
        settings: the constants

    Returns:
        the adapted embeddings

    Raises:
        CoresetError: if there is no such adapter
    """
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
        return Adapted(data.images, data.texts, facts)
    if len(data.labels) < settings.min_images or facts["n_classes"] < 2:
        facts["adapter"] = "none"
        facts["adapter_note"] = f"not adapted: that takes {settings.min_images} images of two classes"
        return Adapted(data.images, data.texts, facts)
    from .adapter import train_adapters

    trained = train_adapters(
        data.images,
        data.labels,
        data.texts,
        confident_only=adapter == "confident",
        settings=settings,
        seed=seed,
        device=device,
        report=report,
    )
    facts |= {
        "adapter_epochs": trained.epochs,
        "held_out_loss": [round(trained.held_out_losses[0], 4), round(min(trained.held_out_losses), 4)],
    }
    return Adapted(trained.images(data.images), trained.texts(data.texts), facts)
