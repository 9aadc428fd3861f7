"""Rounds where labels are numbers: how much more does each method explain than numbers of images drawn at random?

    python -m benchmarks.rounds.numbers diabetes digits ink cifar10-mini.npz --seeds $(seq 0 29)

Known without files: scikit-learn's ``diabetes``, which digit its ``digits`` show, and how much ``ink`` they have. Of a
file of ``benchmarks.rounds.embed`` it is the mean brightness of the images. A pool, two thirds of the rows and 1,200 at
most, and its test set are drawn by the seed. All methods of a pool start from the same random batch; judges are (a) the
light head, a ridge regression, and (b) a support vector regression, on the other embedding where there is one. Prints
tables. Seeds from 100 on are for trying things out.
"""

from __future__ import annotations

import argparse

import fiftyone_coreset as fc
import numpy as np

from .report import difference
from .run import load

METHODS = ["random", "lcmd", "uherding", "maxherding"]
_BATCH, _ROUNDS = 20, 5

Data = tuple[np.ndarray, np.ndarray, np.ndarray]


def numbers(name: str) -> Data:
    """Embeddings to select by, embeddings to judge by, and the numbers."""
    if name == "diabetes":
        from sklearn.datasets import load_diabetes

        X, y = load_diabetes(return_X_y=True)
        return X, X, y
    _, query, judge, labels, images = load("digits" if name == "ink" else name)
    if name == "digits":
        return query, judge, labels.astype(float)
    return query, judge, query.sum(axis=1, dtype=float) if images is None else images.mean(axis=(1, 2, 3))


def curve(method: str, data: Data, pool: np.ndarray, test: np.ndarray, seed: int) -> list[list[float]]:
    """R^2 of both judges on the test set, after every round."""
    query, other, y = data
    X, known, found = query[pool], np.full(len(pool), np.nan), []
    new = np.random.default_rng([seed, 0xF1]).permutation(len(pool))[:_BATCH]
    for number in range(_ROUNDS + 1):
        known[new] = y[pool][new]
        head, labelled = fc.fit_ridge(X, known, seed=seed), np.flatnonzero(np.isfinite(known))
        second = support_vectors(other[pool][labelled], known[labelled], other[test])
        found.append([explained(y[test], said) for said in (head.predict(query[test]), second)])
        chosen = fc.get_method(method)
        sure = fc.Predictions.from_confidence(1 / (1 + head.leverage(X)))
        said = {"predictions": sure} if chosen.needs_model else {}
        budget = min(len(labelled) + _BATCH, len(pool))
        new = chosen.select(X, budget, preselected=labelled, seed=1000 * seed + number, **said).indices[len(labelled) :]
    return found


def support_vectors(X: np.ndarray, y: np.ndarray, test: np.ndarray) -> np.ndarray:
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    scaler = StandardScaler().fit(X)
    model = SVR(C=3.0).fit(scaler.transform(X), (y - y.mean()) / y.std())
    return model.predict(scaler.transform(test)) * y.std() + y.mean()


def explained(truth: np.ndarray, said: np.ndarray) -> float:
    """R^2, 0 if nothing is explained, as ``record_round`` has it."""
    return max(0.0, 1 - float(((truth - said) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--seeds", nargs="+", type=int, default=[100])
    parser.add_argument("--methods", nargs="+", default=METHODS)
    args = parser.parse_args()
    for name in args.data:
        data = numbers(name)
        size, areas = min(1200, 2 * len(data[2]) // 3), {method: [] for method in args.methods}
        for seed in args.seeds:
            order = np.random.default_rng([seed, 0xAC]).permutation(len(data[2]))
            for method in args.methods:
                areas[method].append(np.mean(curve(method, data, order[:size], order[size:], seed)[1:], axis=0))
        random = np.array(areas.pop("random"))
        shown = " and ".join(f"{100 * area:.1f}" for area in random.mean(axis=0))
        print(f"\n**{name}**, {len(args.seeds)} pools of {size}; random's areas {shown}\n")
        print("| method | ridge regression | above random | support vectors | above random |\n|---|---|---|---|---|")
        for method, found in areas.items():
            gains = (np.array(found) - random).T
            columns = [f"{difference(gain)} | {(gain > 0).sum()} of {len(gain)}" for gain in gains]
            print(f"| {method} | {' | '.join(columns)} |", flush=True)


if __name__ == "__main__":
    main()
