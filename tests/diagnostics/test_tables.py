"""Numbers in tables, written as the panel's web component writes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fiftyone_coreset.plugin.diagnostics.tables import number, percent

#: The web component's own tests read this file too.
CASES = json.loads((Path(__file__).parents[2] / "panels" / "web" / "test" / "numbers.json").read_text())


@pytest.mark.parametrize(("value", "text"), CASES["short"])
def test_a_number_reads_as_in_the_browser(value, text):
    assert number(value) == text


@pytest.mark.parametrize(("value", "text"), CASES["percent"])
def test_a_share_reads_as_in_the_browser(value, text):
    assert percent(value) == text


def test_no_number_is_a_dash():
    assert [number(value) for value in (None, float("nan"), float("inf"))] == ["-"] * 3
