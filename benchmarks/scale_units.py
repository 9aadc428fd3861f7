"""What the steps of a run cost that is cut into many tiny units: the price of a unit, whatever is in it.

    python -m benchmarks.scale_units [--units 20000] [--rows 2] [--dimensions 16]

A synthetic pool is planned, embedded, scored and selected in a folder that is removed again, then the ranking and the
state of the run are read. Times are processor seconds of all threads and by the clock; beside them stands how often a
Parquet file was opened, for each unit.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def count_opens() -> list[Any]:
    """A list that grows whenever a part is opened."""
    from fiftyone_coreset.plugin.scale import parts

    opened: list[Any] = []
    readable = parts.readable

    def counted(place: Any, *arguments: Any) -> Any:
        opened.append(place)
        return readable(place, *arguments)

    parts.readable = counted
    return opened


def main() -> None:
    from fiftyone_coreset.plugin import scale

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=20_000)
    parser.add_argument("--rows", type=int, default=2, help="of a unit")
    parser.add_argument("--dimensions", type=int, default=16)
    options = parser.parse_args()
    n, opened = options.units * options.rows, count_opens()

    def step(name: str, function: Callable[..., Any], *arguments: Any, **others: Any) -> None:
        opened.clear()
        cpu, clock = time.process_time(), time.perf_counter()
        function(*arguments, **others)
        cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
        print(
            f"{name:8}{cpu:9.1f} s{clock:9.1f} s by the clock{len(opened) / options.units:8.2f} opens a unit",
            flush=True,
        )

    with tempfile.TemporaryDirectory(prefix="coreset-units-") as folder:
        run, pool = Path(folder) / "run", f"synthetic://clusters?n={n}&dim={options.dimensions}"
        step("plan", scale.plan, pool, run, rows_per_unit=options.rows)
        step("embed", scale.embed, run)
        step("again", scale.embed, run)
        step("score", scale.score, run, n_draws=n, num_workers=1)
        step("select", scale.select, run, "stratified", "5%", num_workers=1)
        step("ranking", scale.read_ranking, run, "stratified")
        step("status", scale.status, run)


if __name__ == "__main__":
    main()
