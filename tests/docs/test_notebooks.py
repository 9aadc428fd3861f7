"""Every notebook of ``examples/notebooks`` runs from top to bottom, and is committed without what it showed.

The cells run in this process, because five kernels would import FiftyOne five times.
"""

from __future__ import annotations

import ast
import json
import linecache
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "notebooks"
NOTEBOOKS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.ipynb"))}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_and_shows_figures(name, dataset, tmp_path, monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    pyplot.close("all")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(FOLDER)
    names = {"__name__": "__main__"}
    for number, cell in enumerate(NOTEBOOKS[name]["cells"]):
        if cell["cell_type"] == "code":
            _run("".join(cell["source"]), f"{name}[{number}]", names)
    assert pyplot.get_fignums()
    pyplot.close("all")
    if name == "five_rounds":
        assert len(names["curve"]) == 5
        assert names["curve"].drawn() is not None, "the curve has its band"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_committed_without_outputs(name):
    code = [cell for cell in NOTEBOOKS[name]["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert set(NOTEBOOKS[name]["metadata"]["language_info"]) == {"name"}


def _run(source: str, name: str, names: dict) -> None:
    """Runs a cell; what its last line gives is rendered as Jupyter would."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    body = ast.parse(source, name).body
    shown = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), name, "exec"), names)
    if shown is not None:
        value = eval(compile(ast.Expression(shown.value), name, "eval"), names)
        getattr(value, "_repr_html_", value.__repr__)()
