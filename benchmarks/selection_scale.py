"""Time and memory of every selection method at growing pool sizes, and what that means for a million images.

    python -m benchmarks.selection_scale --n 25000 100000 [--methods ...] [--million random stratified ...] [--write]

Pools of unit vectors, 512 dimensions, in clusters of different size and width; each method keeps 10 % of them in a
process of its own. Times are processor seconds of all threads, which other programs disturb less than the clock; two
cores need at least half of them. One million is measured for ``--million`` and otherwise extended from the two largest
pools by the power of n between them, at least 1. Stops and continues: what was measured is in
``.cache/selection-scale.jsonl``. ``--write`` puts the table into ``docs/methods.md``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / ".cache" / "selection-scale.jsonl"
_DOC = ROOT / "docs" / "methods.md"
_MARKS = "<!-- times -->\n", "<!-- end of times -->\n"

MILLION = 1_000_000
KEEP = 0.1
#: Powers of n that small pools do not show yet: k-center compares all rows with a share of them.
LEAST_POWER = {"kcenter": 2.0}
#: ZCore and CLIP-powered have benchmarks of their own.
LEFT_OUT = ("zcore", "zcore_balanced", "clip_powered")


def measure(method: str, n: int, keep: float) -> dict:
    """Runs in a process of its own: seconds and gigabytes of one selection."""
    import resource
    import time

    import fiftyone_coreset as fc
    import numpy as np

    pool = np.load(pool_file(n), mmap_mode="r")
    chosen = fc.get_method(method)
    chosen.select(np.array(pool[:2000]), 200)  # imports and compiles
    before, started = time.process_time(), time.perf_counter()
    try:
        kept = chosen.select(pool, keep).indices
    except fc.CoresetError as error:
        return {"refused": str(error)}
    assert len(set(kept.tolist())) == round(keep * n)
    return {
        "cpu_s": time.process_time() - before,
        "wall_s": time.perf_counter() - started,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2,
    }


def by_vectors_alone() -> list[str]:
    """The methods that need nothing else."""
    import fiftyone_coreset as fc

    methods = {name: fc.get_method(name) for name in fc.list_methods() if name not in LEFT_OUT}
    return [
        name
        for name, method in methods.items()
        if not (method.needs_model or method.needs_labels or method.needs_text or method.required)
    ]


def pool_file(n: int) -> Path:
    """The pool of ``n`` rows, float32, written once."""
    import numpy as np

    from .neighbors import images

    path = RESULTS.parent / f"pool-{n}.npy"
    if not path.exists():
        np.save(path, images(n))
    return path


def run(methods: list[str], sizes: list[int], keep: float) -> None:
    done = {(record["method"], record["n"]) for record in read() if record["keep"] == keep}
    RESULTS.parent.mkdir(exist_ok=True)
    for n in sizes:
        pool_file(n)
        for method in methods:
            if (method, n) in done:
                continue
            command = [
                sys.executable,
                "-m",
                "benchmarks.selection_scale",
                "--child",
                method,
                str(n),
                "--keep",
                str(keep),
            ]
            finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            record = {"method": method, "n": n, "keep": keep, **json.loads(finished.stdout.splitlines()[-1])}
            with RESULTS.open("a") as results:
                results.write(json.dumps(record) + "\n")
            print(record, flush=True)


def read() -> list[dict]:
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []


def table(keep: float) -> list[str]:
    """A row per method: measured sizes, and a million."""
    import math

    records = {(record["method"], record["n"]): record for record in read() if record["keep"] == keep}
    sizes = sorted({n for _, n in records if n != MILLION})
    head = " | ".join(f"{n:,}" for n in sizes)
    lines = [f"| method | {head} | 1,000,000 | memory at {sizes[-1]:,} |", "|---" * (len(sizes) + 3) + "|"]
    for method in sorted({method for method, _ in records}):
        times = [records.get((method, n), {}).get("cpu_s") for n in sizes]
        million = records.get((method, MILLION))
        if million is not None:
            last = (
                "refused" if "refused" in million else f"**{minutes(million['cpu_s'])}**, {million['peak_gb']:.0f} GB"
            )
        elif len(sizes) > 1 and times[-1] and times[-2]:
            power = math.log(max(times[-1] / times[-2], 1)) / math.log(sizes[-1] / sizes[-2])
            last = f"about {minutes(times[-1] * (MILLION / sizes[-1]) ** max(power, LEAST_POWER.get(method, 1)))}"
        else:
            last = ""
        peak = records.get((method, sizes[-1]), {}).get("peak_gb")
        cells = [minutes(t) if t is not None else "" for t in times]
        lines.append(f"| `{method}` | " + " | ".join(cells) + f" | {last} | {f'{peak:.1f} GB' if peak else ''} |")
    return lines


def minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def write(keep: float) -> None:
    text = _DOC.read_text()
    start, end = text.index(_MARKS[0]) + len(_MARKS[0]), text.index(_MARKS[1])
    _DOC.write_text(text[:start] + "\n" + "\n".join(table(keep)) + "\n\n" + text[end:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, nargs="+", default=[25_000, 100_000])
    parser.add_argument("--methods", nargs="+")
    parser.add_argument("--keep", type=float, default=0.1, help="the share that is kept")
    parser.add_argument("--million", nargs="*", default=[])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure(args.child[0], int(args.child[1]), args.keep)))
        return
    run(args.methods or by_vectors_alone(), args.n, args.keep)
    run(args.million, [MILLION], args.keep)
    print("\n".join(table(args.keep)))
    if args.write:
        write(args.keep)


if __name__ == "__main__":
    main()
