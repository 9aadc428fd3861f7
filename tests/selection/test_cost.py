"""What a ranking is expected to need: what was measured, between and beyond it."""

import re
from pathlib import Path

import pytest
from fiftyone_coreset.plugin.selection.cost import MEASURED, Cost, expected_cost

DOC = Path(__file__).resolve().parents[2] / "docs" / "methods.md"
UNITS = {"s": 1, "min": 60, "h": 3600}


def seconds(cell):
    number, unit = re.match(r"\**(?:about )?([\d.]+) (s|min|h)", cell).groups()
    return float(number) * UNITS[unit]


def test_it_is_the_table_of_the_documents():
    table = DOC.read_text().split("<!-- times -->")[1].split("<!-- end of times -->")[0]
    rows = [
        [cell.strip() for cell in line.strip("| \n").split("|")]
        for line in table.splitlines()
        if line.startswith("| `")
    ]
    told = {}
    for name, *times, large, memory in rows:
        if large.startswith("about"):
            continue  # not measured
        gigabytes = float(memory.removesuffix(" GB")), float(re.search(r"([\d.]+) GB", large)[1])
        told[name.strip("`")] = (*map(seconds, times), seconds(large)), gigabytes
    assert told == MEASURED


@pytest.mark.parametrize(("n", "place"), [(5_000, 0), (25_000, 1), (100_000, 2), (1_000_000, 3)])
def test_measured_sizes_cost_what_was_measured(n, place):
    for method, (times, _) in MEASURED.items():
        assert expected_cost(method, n, 512).seconds == pytest.approx(times[place])


def test_between_and_beyond():
    one, two, four = (expected_cost("auto", n, 512).seconds for n in (100_000, 300_000, 900_000))
    assert one < two < four
    assert two / one == pytest.approx(four / two)  # one power of n between two points
    assert expected_cost("auto", 100_000, 1024).seconds == pytest.approx(2 * one)
    assert expected_cost("unmeasured", 10, 10) is None
    assert expected_cost("random", 10, 8).gigabytes == 0.5


def test_in_words(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert str(Cost(0.2, 0.5)) == "less than a second"
    assert str(Cost(10, 1)) == "about 5 s to 10 s and 1.0 GB of memory"
    assert str(Cost(1_320, 13)) == "about 11 min to 22 min and 13.0 GB of memory"
    assert str(Cost(20_000, 30)) == "about 3 h to 6 h and 30.0 GB of memory"
