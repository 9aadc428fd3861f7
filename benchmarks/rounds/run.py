"""Learning curves of labelling rounds: what does each method gain over labels drawn at random?

    python -m benchmarks.rounds.run digits --batch 20 --rounds 8 --seeds 0 1 2 3 4 5 6 7
    python -m benchmarks.rounds.run cifar10.npz --batch 20 --rounds 8 --seeds 0 1 2 3
    python -m benchmarks.rounds.run report

``digits`` is scikit-learn's, by their pixels, judged also by their edges; ``benchmarks.rounds.embed`` makes files.
A pool and its test set are drawn by the seed; ``--kind longtail`` thins the classes out, 20 : 1. All methods of a pool
start from the same random batch, ask with the light head on what they have, and are judged on the test set by (a) that
head, (b) a logistic probe on the other embedding, and, with ``--network``, (c) after the last round a small network
that is trained from scratch on the labelled images. Appends to ``benchmarks/rounds/results.csv``; what is there is not
run again. ``report`` writes ``docs/rounds-evidence.md``.

Development and evidence are apart: seeds from 100 on are for trying things out, and the report leaves them out. The
defaults of the methods were chosen on earlier draws of CIFAR-10 and Caltech-101, never on digits.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import fiftyone_coreset as fc
import numpy as np

from ..quality.pools import class_sizes
from .report import write_report

RESULTS = Path(__file__).with_name("results.csv")
COLUMNS = [
    *(
        "dataset",
        "kind",
        "seed",
        "method",
        "batch",
        "labels",
        "accuracy",
        "class_mean",
        "probe",
        "classes",
        "confidence",
    ),
    *("cross_validated", "seconds", "network"),
]
METHODS = ["random", "uherding", "maxherding", "margin", "badge", "dropquery", "lcmd"]
#: Further names: a method, and options.
VARIANTS = {"deuce": ("uherding", {"prediction_bandwidth": 0.5})}
_IMBALANCE = 20.0
_PENALTY = 100.0


def load(name: str) -> tuple[str, np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Name, embeddings to select by, embeddings to judge by, classes, and images for the network."""
    if name == "digits":
        from sklearn.datasets import load_digits

        digits = load_digits()
        edges = np.concatenate(
            [np.abs(edge).reshape(len(digits.images), -1) for edge in np.gradient(digits.images, axis=(1, 2))], axis=1
        )
        return name, digits.data.astype(np.float32), edges.astype(np.float32), digits.target, None
    with np.load(name) as stored:
        return Path(name).stem, stored["query"], stored["judge"], stored["labels"], stored.get("images")


def draw(labels: np.ndarray, kind: str, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the pool and of the test set."""
    rng = np.random.default_rng([seed, 0xAC])
    order = rng.permutation(len(labels))
    pool, test = order[:size], order[size : size + 2000]
    if kind == "longtail":
        many = np.bincount(labels[pool])
        left = many.max() * (_IMBALANCE ** -np.linspace(0, 1, len(many))).sum()  # so that the largest class stays whole
        sizes = class_sizes(many, round(left), _IMBALANCE, rng)
        pool = np.concatenate([pool[labels[pool] == c][:many] for c, many in enumerate(sizes)])
    return rng.permutation(pool), test


def curve(
    method: str, data: tuple, rows: tuple[np.ndarray, np.ndarray], batch: int, rounds: int, seed: int, network: bool
):
    """One record a round."""
    _, query, _, labels, images = data
    pool = rows[0]
    X, y = query[pool], labels[pool]
    known = np.full(len(pool), -1)
    first = np.random.default_rng([seed, 0xF1]).permutation(len(pool))[:batch]
    known[first], began = y[first], time.process_time()
    for number in range(rounds + 1):
        head = fc.fit_head(X, known, n_classes=int(labels.max()) + 1, C=_PENALTY, seed=seed)
        found = figures(head, data, rows, known) | {"seconds": round(time.process_time() - began, 2)}
        if network and number == rounds:
            found["network"] = from_scratch(
                images[pool[known >= 0]], known[known >= 0], images[rows[1]], labels[rows[1]], seed
            )
        yield found
        if number < rounds:
            began = time.process_time()
            name, options = VARIANTS.get(method, (method, {}))
            chosen, labelled = fc.get_method(name), np.flatnonzero(known >= 0)
            given = options | ({"head": head} if chosen.needs_model else {})
            found = chosen.select(X, len(labelled) + batch, preselected=labelled, seed=1000 * seed + number, **given)
            new = found.indices[len(labelled) :]
            known[new] = y[new]


def figures(
    head: fc.LinearHead, data: tuple, rows: tuple[np.ndarray, np.ndarray], known: np.ndarray
) -> dict[str, float]:
    _, query, other, labels, _ = data
    pool, test = rows
    truth, free = labels[test], known < 0
    said = head.probabilities(query[test]).argmax(axis=1)
    right = said == truth
    confidence = head.probabilities(query[pool][free], calibrated=True).max(axis=1)
    return {
        "labels": int((~free).sum()),
        "accuracy": float(right.mean()),
        "class_mean": float(np.mean([right[truth == c].mean() for c in np.unique(truth)])),
        "probe": probe(other[pool][~free], known[~free], other[test], truth),
        "classes": len(np.unique(known[~free])),
        "confidence": float(confidence.mean()),
        "cross_validated": float((head.out_of_fold.argmax(axis=1) == head.targets).mean()),
    }


def probe(X: np.ndarray, y: np.ndarray, test: np.ndarray, truth: np.ndarray) -> float:
    """Accuracy of a logistic regression on standardised features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return float(make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200)).fit(X, y).score(test, truth))


def from_scratch(images: np.ndarray, y: np.ndarray, test: np.ndarray, truth: np.ndarray, seed: int) -> float:
    """Accuracy of the small residual network of ``benchmarks.quality``."""
    import torch

    from ..quality.judges import cnn
    from ..quality.pools import ImagePool

    torch.set_num_threads(1)
    none = np.empty((len(y), 0), dtype=np.float32)
    pool = ImagePool(images, y, np.arange(len(y)), np.zeros(len(y), dtype=int), none, none, test, truth, none)
    return cnn(pool, np.arange(len(y)), seed)["accuracy"]


def run(args: argparse.Namespace) -> None:
    data = load(args.data)
    if not RESULTS.exists():
        RESULTS.write_text(",".join(COLUMNS) + "\n")
    with RESULTS.open() as file:
        done = {
            (line["dataset"], line["kind"], line["seed"], line["method"], line["batch"])
            for line in csv.DictReader(file)
        }
    for seed in args.seeds:
        rows = draw(data[3], args.kind, args.size, seed)
        for method in args.methods:
            if (data[0], args.kind, str(seed), method, str(args.batch)) in done:
                continue
            cell = {"dataset": data[0], "kind": args.kind, "seed": seed, "method": method, "batch": args.batch}
            records = [
                cell | record for record in curve(method, data, rows, args.batch, args.rounds, seed, args.network)
            ]
            with RESULTS.open("a", newline="") as file:
                lines = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                lines.writerows(
                    {name: round(v, 5) if isinstance(v, float) else v for name, v in r.items()} for r in records
                )
            print(*cell.values(), f"{records[-1]['accuracy']:.3f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="'digits', a file of benchmarks.rounds.embed, or 'report'")
    parser.add_argument("--kind", default="clean", choices=["clean", "longtail"])
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--size", type=int, default=1200, help="images of a pool; a test set of up to 2,000 is left")
    parser.add_argument("--network", action="store_true", help="also train a small network from scratch, at the end")
    arguments = parser.parse_args()
    if arguments.data == "report":
        write_report(RESULTS)
    else:
        run(arguments)
