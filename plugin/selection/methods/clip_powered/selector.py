"""CLIP-powered data selection as a method of the registry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...pool import Picks, Pool, weighted_ranks
from ...registry import register
from . import check_optimizer, clip_powered_ranking, clip_powered_scores, select_clip_powered
from .objective import CONTRAST, DIVERSITY_CAP, DIVERSITY_WEIGHT


@register(
    "clip_powered",
    "CLIP-powered: labelled images that agree with their label and differ from each other",
    needs_labels=True,
    needs_text=True,
    scored=True,
    one_budget_if=(("optimizer", "sgd"),),
)
def clip_powered(
    pool: Pool,
    k: int,
    adapter: str = "confident",
    balance: str = "proportional",
    contrast: float = CONTRAST,
    diversity_weight: float = DIVERSITY_WEIGHT,
    diversity_cap: float = DIVERSITY_CAP,
    n_neighbors: int | None = None,
    clip: float = 0.01,
    unlabelled: str = "exclude",
    device: str | None = None,
    optimizer: str = "exact",
) -> Picks:
    """Ranks by alignment with the label's text and diversity within the class (Yang et al., ICLR 2025).

    Args:
        pool: the problem, with labels and the text embeddings of the classes
        k: rows to pick
        adapter ("confident"): adaptation to the dataset: "linear", "confident" or "none"
        balance ("proportional"): how the classes share a budget: "proportional", "sqrt", "uniform" or "none"
        contrast (1.0): weight of the margin to the best other class; published 0
        diversity_weight (0.1): weight of diversity against agreement
        diversity_cap (0.5): share of the images below which diversity counts; published 1
        n_neighbors (None): images that diversity is measured on; by default a tenth of the class, from 10 to 100
        clip (0.01): share of the images on either side that scaling treats as outliers
        unlabelled ("exclude"): "pseudo" guesses missing labels; "exclude" puts rows without one last
        device (None): torch device for the adapter
        optimizer ("exact"): "exact" takes the closed form of the published objective, "sgd" runs the published
            descent, which answers one k at a time

    Returns:
        the picks, with the published objective as scores
    """
    assert pool.labels is not None
    check_optimizer(optimizer)
    labels = np.array([*pool.class_names, None], dtype=object)[pool.labels]
    scores = clip_powered_scores(
        pool.X,
        labels,
        pool.text_embeddings,
        adapter=adapter,
        contrast=contrast,
        diversity_weight=diversity_weight,
        diversity_cap=diversity_cap,
        n_neighbors=n_neighbors,
        clip=clip,
        unlabelled=unlabelled,
        seed=pool.seed,
        device=device,
        progress=pool.report,
    )
    columns = {name: getattr(scores, name) for name in ("alignment", "diversity", "suspicion")}
    if optimizer == "sgd":
        order = select_clip_powered(scores, k, balance=balance, optimizer="sgd")
        return Picks(order, scores.score, scores.facts, columns)
    preferred = scores.score.copy()
    preferred[scores.rows] = weighted_ranks(scores.score[scores.rows], pool.weights[scores.rows])
    ranking = clip_powered_ranking(replace(scores, score=preferred), balance)
    left_out = np.setdiff1d(np.arange(len(pool)), ranking)
    order = np.concatenate([ranking, left_out])
    return Picks(order[pool.free[order]][:k], scores.score, scores.facts, columns)
