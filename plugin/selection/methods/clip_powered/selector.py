"""CLIP-powered data selection as a method of the registry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...method import Option, register
from ...pool import Picks, Pool, weighted_ranks
from . import check_optimizer, clip_powered_scores, select_clip_powered

ADAPTER = Option(
    "Adaptation to this dataset",
    {
        "confident": "Linear, trained on the more plausible half",
        "linear": "Linear, trained on all labels",
        "none": "Off",
    },
)
_BALANCE = Option(
    "Share of each class",
    {
        "proportional": "In proportion to the classes",
        "sqrt": "By the root of the class sizes",
        "uniform": "The same for every class",
        "none": "By score alone, as published",
    },
)
_UNLABELLED = Option(
    "Images without a label", {"exclude": "Leave out", "pseudo": "Use the class the image agrees with"}
)


@register(
    "clip_powered",
    "CLIP-powered: labelled images that agree with their label and differ from each other",
    passes_to=(select_clip_powered, clip_powered_scores),
    columns={
        "score": "how much it is worth keeping: agreement with its label and diversity",
        "alignment": "how well it agrees with its label",
        "diversity": "how much room there is around it within its class",
        "suspicion": "how probable it is that the label is wrong",
    },
    needs_labels=True,
    label_optional_when=(("unlabelled", "pseudo"),),
    needs_text=True,
    scored=True,
    fixed_k_when=(("optimizer", "sgd"),),
    options={"adapter": ADAPTER, "balance": _BALANCE, "unlabelled": _UNLABELLED},
)
def clip_powered(pool: Pool, k: int, **parameters: Any) -> Picks:
    """Ranks by alignment with the label's text and diversity within the class (Yang et al., ICLR 2025).

    Args:
        pool: the problem, with labels and the text embeddings of the classes
        k: rows to pick
        **parameters: ``balance`` and ``optimizer`` of :func:`select_clip_powered`, the others of
            :func:`clip_powered_scores`

    Returns:
        the picks, with the published objective as scores

    References:
        Yang et al.: A CLIP-Powered Framework for Robust and Generalizable Data Selection. ICLR 2025.
    """
    assert pool.labels is not None
    choice = {name: parameters.pop(name) for name in ("balance", "optimizer")}
    check_optimizer(choice["optimizer"])  # before anything is trained
    labels = np.array([*pool.class_names, None], dtype=object)[pool.labels]
    scores = clip_powered_scores(
        pool.X, labels, pool.text_embeddings, seed=pool.seed, progress=pool.report, **parameters
    )
    preferred = scores.score.copy()
    preferred[scores.rows] = weighted_ranks(scores.score[scores.rows], pool.weights[scores.rows])
    order = select_clip_powered(replace(scores, score=preferred), k, **choice)
    columns = {name: getattr(scores, name) for name in ("alignment", "diversity", "suspicion")}
    # A pool holds no row without embedding, and those without label were counted where it was made.
    facts = {name: fact for name, fact in scores.facts.items() if name not in ("n_without_embedding", "n_unlabelled")}
    return Picks(order, scores.score, facts | {"balance": choice["balance"]}, columns)
