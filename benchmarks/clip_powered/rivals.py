"""What CLIP-powered selection is compared with; every method gives the whole pool, first to keep first."""

from __future__ import annotations

from collections.abc import Callable

import fiftyone_coreset as fc
import numpy as np
from fiftyone_coreset.plugin.selection.apportion import take_turns
from fiftyone_coreset.plugin.selection.methods.clip_powered import clip_powered_ranking

#: The score exactly as published; the released code used one adapter for both sides by mistake.
AS_PUBLISHED = {"adapter": "linear", "contrast": 0.0, "diversity_cap": 1.0, "clip": 0.0}


def confidence_order(planted, scale: float) -> np.ndarray:
    """FiftyOne's mistakenness of the zero-shot classifier, least mistaken first."""
    logits = scale * planted.vectors @ planted.texts.T
    probability = np.exp(logits - logits.max(axis=1, keepdims=True))
    probability /= probability.sum(axis=1, keepdims=True)
    certainty = np.exp((probability * np.log(probability + 1e-12)).sum(axis=1))
    agrees = probability.argmax(axis=1) == planted.labels
    return np.argsort(np.where(agrees, 1 - certainty, 1 + certainty), kind="stable")


def by_class(order: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The same order with the classes taking turns, in proportion."""
    return take_turns(order, labels, np.maximum(np.bincount(labels), 1).astype(float))


def clip_scores(planted, seed: int, **options) -> fc.ClipPoweredScores:
    """Scores of a pool with planted faults."""
    return fc.clip_powered_scores(planted.vectors, planted.labels, planted.texts, seed=seed, **options)


def rankings(planted, scale: float, seed: int) -> dict[str, Callable[[], np.ndarray]]:
    """Every method's order of the whole pool; each is nested, so a budget takes the first.

    Args:
        planted: the pool
        scale: the factor between cosines and logits of the zero-shot classifier
        seed: of whatever is random
    """

    def registry(name: str, **options) -> np.ndarray:
        return fc.get_method(name).select(planted.vectors, len(planted.truth), seed=seed, **options).indices

    def ours(balance: str = "proportional", **options) -> np.ndarray:
        return clip_powered_ranking(clip_scores(planted, seed, **options), balance)

    return {
        "random": lambda: registry("random"),
        "stratified random": lambda: registry("stratified", labels=planted.labels),
        "herding per class": lambda: registry("herding", groups=planted.labels, quota="proportional"),
        "ZCore": lambda: registry("zcore", n_draws=50_000),
        "mistakenness": lambda: confidence_order(planted, scale),
        "mistakenness per class": lambda: by_class(confidence_order(planted, scale), planted.labels),
        "clip_powered as published": lambda: ours("none", **AS_PUBLISHED),
        "clip_powered without adapter": lambda: ours(adapter="none"),
        "clip_powered, adapter on all labels": lambda: ours(adapter="linear"),
        "clip_powered without balance": lambda: ours("none"),
        "clip_powered": ours,
    }
