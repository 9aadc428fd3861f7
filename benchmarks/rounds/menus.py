"""Candidate sets on real images: how often is the true class on the menu, and how long is it?

    python -m benchmarks.rounds.menus digits

Of each pool 20 labels a round are chosen by ``uherding``; the menus of the light head are calibrated on random test
images and judged on the other ones. ``benchmarks.rounds.embed`` makes files of other images.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import fiftyone_coreset as fc
import numpy as np

from .run import draw, load

_BATCH, _ROUNDS, _CALIBRATED_ON = 20, 5, 200


def heads(X: np.ndarray, y: np.ndarray, pool: np.ndarray, seed: int) -> Iterator[fc.LinearHead]:
    """The light head after each round; the first batch is drawn at random."""
    known = np.full(len(pool), -1)
    new = np.random.default_rng(seed).choice(len(pool), _BATCH, replace=False)
    for _ in range(_ROUNDS):
        known[new] = y[pool][new]
        head = fc.fit_head(X[pool], known, n_classes=int(y.max()) + 1, seed=seed)
        yield head
        labelled = np.flatnonzero(known >= 0)
        found = fc.get_method("uherding").select(
            X[pool], len(labelled) + _BATCH, head=head, preselected=labelled, seed=seed
        )
        new = found.indices[len(labelled) :]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="digits, or a file")
    parser.add_argument("--size", type=int, default=1200)
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(20)))
    parser.add_argument("--alpha", type=float, default=0.05)
    args = parser.parse_args()
    _, X, _, y, _ = load(args.data)
    covered = np.empty((len(args.seeds), _ROUNDS))
    length = np.empty_like(covered)
    for place, seed in enumerate(args.seeds):
        pool, test = draw(y, "clean", args.size, seed)
        for number, head in enumerate(heads(X, y, pool, seed)):
            P = head.probabilities(X[test])
            sets = fc.candidate_sets(P[:_CALIBRATED_ON], y[test][:_CALIBRATED_ON], args.alpha)
            menu, truth = sets.members(P[_CALIBRATED_ON:]), y[test][_CALIBRATED_ON:]
            covered[place, number] = menu[np.arange(len(truth)), truth].mean()
            length[place, number] = menu.sum(axis=1).mean()
    print("labels | true class on the menu, % | classes on it")
    for number in range(_ROUNDS):
        mean, error = covered[:, number].mean(), covered[:, number].std(ddof=1) / np.sqrt(len(covered))
        share = f"{100 * mean:.1f} ± {100 * error:.1f}"
        print(_BATCH * (number + 1), share, f"{length[:, number].mean():.1f}", sep=" | ")


if __name__ == "__main__":
    main()
