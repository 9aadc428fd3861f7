"""The comparison with other tools says what was measured."""

from __future__ import annotations

import numpy as np
import pytest
from fiftyone_coreset.benchmarks.peers.selectors_report import PAGE, RESULTS, Record, medians, read, tables


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return read(RESULTS)


def test_the_tables_are_those_of_the_results(records):
    text = PAGE.read_text()
    for pool in {record.pool for record in records}:
        shown = text.split(f"<!-- {pool} -->\n")[1].split(f"<!-- end of {pool} -->")[0]
        assert shown.strip() == tables(records, pool)


def test_the_programs_exist_and_versions_are_pinned():
    from fiftyone_coreset.benchmarks.peers.environments import TOOLS
    from fiftyone_coreset.benchmarks.peers.selectors import SELECTORS

    assert all((TOOLS / f"{selector.program}.py").exists() for selector in SELECTORS)
    assert all("==" in requirement for selector in SELECTORS for requirement in selector.requirements.split())


def test_a_row_is_the_median_of_its_runs(records):
    same = [record for record in records if record.cell == ("mixture", "fiftyone-coreset", "kcenter")]
    (row,) = [row for row in medians(records, "mixture") if row.cell == same[0].cell]
    assert row.run == len(same)
    assert row.figures["selection_s"] == pytest.approx(np.median([record.figures["selection_s"] for record in same]))


def test_objectives_of_a_pool_that_is_known():
    from fiftyone_coreset.benchmarks.peers.selectors import Pool

    rows = np.repeat(np.eye(3, dtype=np.float32), 20, axis=0)
    pool = Pool(rows)
    pool.reach = 1.0
    judged = pool.judge(np.array([0, 20]))
    assert judged["radius"] == pytest.approx(np.sqrt(2))
    assert judged["distance"] == pytest.approx(np.sqrt(2) / 3)
    assert judged["facility"] == pytest.approx((1 + 1 + 0.5) / 3)
    assert judged["soft"] == pytest.approx((2 + np.exp(-2)) / 3)
    whole = pool.judge(np.array([0, 20, 40]))
    assert whole["discrepancy"] == pytest.approx(0, abs=1e-7)
    assert judged["discrepancy"] > 0
