r"""Class names as a first model: what do they gain over a first batch by coverage?

    python -m benchmarks.rounds.texts cifar10-mini.npz \
        --classes airplane automobile bird cat deer dog frog horse ship truck

The file is that of ``benchmarks.rounds.embed`` with ``--model coreset-mini``. Both ways go on with ``uherding``, and
are judged by the light head alone, and by the head and the texts together.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import fiftyone_coreset as fc
import numpy as np
from fiftyone_coreset.plugin.embeddings.text import class_text_embeddings
from fiftyone_coreset.plugin.rounds.texts import blended, text_probabilities

from .run import draw

_BATCH, _ROUNDS = 20, 4


def curve(X: np.ndarray, y: np.ndarray, P: np.ndarray, rows: tuple[np.ndarray, np.ndarray], texts: bool, seed: int):
    """Accuracies after every round, of the head and of both together."""
    pool, test = rows
    n_classes, known = P.shape[1], np.full(len(pool), -1)
    names = [f"class {c}" for c in range(n_classes)]
    share, head = 1.0, None
    for number in range(_ROUNDS):
        labelled = np.flatnonzero(known >= 0)
        said = None if head is None else head.predictions(X[pool])
        if texts:
            mixed = (
                P[pool]
                if head is None
                else blended(P[pool], names, replace(head.predictions(X[pool]), classes=names), share)
            )
            said = fc.Predictions.from_probabilities(mixed)
        method = fc.get_method("kmedoids" if said is None else "uherding")
        given = {} if said is None else {"predictions": said}
        found = method.select(X[pool], len(labelled) + _BATCH, preselected=labelled, seed=seed + number, **given)
        new = found.indices[len(labelled) :]
        known[new] = y[pool][new]
        head, share = fc.fit_head(X[pool], known, n_classes=n_classes, C=100.0, seed=seed), 1 / (1 + 2 * (number + 1))
        alone = head.probabilities(X[test])
        both = share * P[test] + (1 - share) * alone
        yield [float((found.argmax(axis=1) == y[test]).mean()) for found in (alone, both)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--classes", nargs="+", required=True, help="in alphabetical order, as the file numbers them")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4, 5])
    args = parser.parse_args()
    with np.load(args.data) as stored:
        X, y = stored["query"], stored["labels"]
    model, _, tokenizer = fc.load_clip("coreset-mini")
    P = text_probabilities(X, class_text_embeddings(args.classes, model, tokenizer))
    print(f"class texts alone: {100 * (P.argmax(axis=1) == y).mean():.1f}")
    for texts in (False, True):
        found = np.array([list(curve(X, y, P, draw(y, "clean", 2000, seed), texts, seed)) for seed in args.seeds])
        mean, error = 100 * found.mean(axis=0), 100 * found.std(axis=0, ddof=1) / np.sqrt(len(found))
        for number in range(_ROUNDS):
            shown = (f"{m:.1f} ± {e:.1f}" for m, e in zip(mean[number], error[number], strict=True))
            print("class texts" if texts else "coverage", _BATCH * (number + 1), *shown, sep=" | ")


if __name__ == "__main__":
    main()
