"""How difficult labelled rows are, by the light head: what methods that prune by difficulty need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import CoresetError
from .head import fit_head
from .linear_head import LinearHead


def head_difficulty(embeddings: Any, labels: Any, measure: str = "el2n", seed: int = 0) -> np.ndarray:
    """Difficulty of every labelled row, by heads that did not see it: scores of a model that did measure memory.

    Args:
        embeddings: (n, d) embeddings in any form :func:`.as_matrix` reads
        labels: n labels, None where there is none
        measure ("el2n"): "el2n", the distance of the probabilities to the label (Paul et al., NeurIPS 2021); "grand",
            the norm of the head's gradient, from the same paper; or "aum", minus the margin of the label's logit over
            the largest other one (after Pleiss et al., NeurIPS 2020)
        seed (0): of the folds

    Returns:
        (n,) float64, higher = harder; NaN in rows without a label or embedding

    Raises:
        CoresetError: if there is no such measure, or fewer than two classes have a label

    Examples:
        >>> X = np.repeat(np.eye(2), 20, axis=0)
        >>> wrong = ["a"] * 20 + ["b"] * 19 + ["a"]  # the last label is wrong
        >>> int(head_difficulty(X, wrong).argmax())
        39
    """
    if measure not in _MEASURES:
        raise CoresetError(f"there is no measure {measure!r} of difficulty; use one of {', '.join(_MEASURES)}")
    head = fit_head(embeddings, labels, C=_PENALTY, seed=seed)
    found = np.full(len(labels), np.nan)
    found[head.labelled] = _MEASURES[measure](head, embeddings)
    return found


def _errors(head: LinearHead) -> np.ndarray:
    from scipy.special import softmax

    errors = softmax(head.out_of_fold, axis=1)
    errors[np.arange(len(errors)), head.targets] -= 1
    return errors


def _el2n(head: LinearHead, embeddings: Any) -> np.ndarray:
    return np.linalg.norm(_errors(head), axis=1)


def _grand(head: LinearHead, embeddings: Any) -> np.ndarray:
    features = head.features(np.asarray(embeddings)[head.labelled])
    return _el2n(head, embeddings) * np.sqrt(1 + np.square(features, dtype=np.float64).sum(axis=1))


def _aum(head: LinearHead, embeddings: Any) -> np.ndarray:
    others = head.out_of_fold.copy()
    rows = np.arange(len(others))
    own = others[rows, head.targets]
    others[rows, head.targets] = -np.inf
    return others.max(axis=1) - own


#: The head's penalty, the same for all datasets: nobody is asked to choose one for a score.
_PENALTY = 100.0
_MEASURES: dict[str, Callable[[LinearHead, Any], np.ndarray]] = {"el2n": _el2n, "grand": _grand, "aum": _aum}
