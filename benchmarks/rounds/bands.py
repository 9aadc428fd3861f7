"""Do the 80 % bands of learning curves hold? Laws through all rounds but the last two, beside what came.

    python -m benchmarks.rounds.bands digits --test 597
    python -m benchmarks.rounds.bands cifar10-mini --test 2000

Reads the report's pools of a dataset in ``benchmarks/rounds/results.csv``. As in a campaign, rounds enter the law from
five labels a class on, with the standard error that the test set gives them. What is foretold is an accuracy measured
on as many test images, so it strays around the law by itself.
"""

from __future__ import annotations

import argparse

import fiftyone_coreset as fc
import numpy as np

from .report import Curves, read
from .run import RESULTS

_LEFT_OUT, _LABELS_A_CLASS = 2, 5


def foretold(curves: Curves, method: str, test: int) -> np.ndarray:
    """(pools, 3): whether the band held, the error less what was expected, and the width of the band."""
    found = []
    for (seed, name), curve in curves.items():
        if name != method:
            continue
        known, last = curve[:-_LEFT_OUT], curve[-1]
        accuracy = np.array([record["accuracy"] for record in known])
        law = fc.learning_curve(
            [record["labels"] for record in known],
            1 - accuracy,
            np.sqrt(accuracy * (1 - accuracy) / test),
            seed,
            fitted_from=_LABELS_A_CLASS * last["classes"],
        )
        said, error = law.error_at(last["labels"]), 1 - last["accuracy"]
        found.append([said.low <= error <= said.high, error - said.value, said.high - said.low])
    return np.array(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--test", type=int, required=True, help="images of the test set")
    args = parser.parse_args()
    print("| pools | method | bands that held | error less expected | off by, on average | width of the band |")
    print("|---|---|---|---|---|---|")
    for (dataset, kind, _), curves in read(RESULTS).items():
        for method in sorted({name for _, name in curves}) if dataset == args.dataset else []:
            held, off, width = foretold(curves, method, args.test).T
            figures = (100 * value for value in (off.mean(), np.abs(off).mean(), width.mean()))
            print(
                f"| {dataset}, {kind} | {method} | {held.sum():.0f} of {len(held)} |",
                " | ".join(f"{value:.1f}" for value in figures),
                "|",
            )


if __name__ == "__main__":
    main()
