"""The package: one canonical import path, light registration, packaging that forgets nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

tomllib = pytest.importorskip("tomllib")  # Python 3.11

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"torch", "umap", "numba", "sklearn", "open_clip", "matplotlib.pyplot"}


def _run(program: str, *arguments: str, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, cwd=cwd, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_registration_imports_nothing_heavy():
    program = (
        "import sys\n"
        "import fiftyone.operators, fiftyone.brain\n"
        "before = set(sys.modules)\n"
        "import fiftyone_coreset as fc\n"
        "class Plugin:\n"
        "    def __init__(self): self.names = []\n"
        "    def register(self, cls): self.names.append(cls().name)\n"
        "plugin = Plugin(); fc.register(plugin)\n"
        "print(*(set(sys.modules) - before)); print(*plugin.names)"
    )
    imported, names = _run(program).strip().splitlines()[-2:]
    assert not HEAVY & set(imported.split())
    manifest = yaml.safe_load((ROOT / "fiftyone.yml").read_text())
    assert set(names.split()) == {*manifest["operators"], *manifest["panels"]}


@pytest.mark.parametrize("installed", [True, False])
def test_one_canonical_import_path(installed, tmp_path):
    """FiftyOne runs the root file under a name of its own; classes must not exist twice, installed or not."""
    hide = "" if installed else "sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]\n"
    program = (
        "import importlib.util, sys\n"
        f"{hide}"
        "def load(name):\n"
        "    spec = importlib.util.spec_from_file_location(name, sys.argv[1] + '/__init__.py',\n"
        "                                                  submodule_search_locations=[sys.argv[1]])\n"
        "    module = importlib.util.module_from_spec(spec); sys.modules[name] = module\n"
        "    spec.loader.exec_module(module); return module\n"
        "for _ in range(2): load('fiftyone.plugins.orgs.fiftyone_coreset.coreset')\n"
        "import fiftyone_coreset as fc\n"
        "from fiftyone_coreset.plugin.brain import CoresetConfig\n"
        "print(fc.load_run.__module__, CoresetConfig().cls)"
    )
    printed = _run(program, str(ROOT), cwd=tmp_path).split()
    assert printed == ["fiftyone_coreset.plugin.runs.load", "fiftyone_coreset.plugin.brain.CoresetConfig"]


def test_public_names_resolve_and_unknown_ones_do_not():
    import fiftyone_coreset as fc

    for name in fc.__all__:
        assert getattr(fc, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = fc.nonsense


def test_requirements_agree_with_the_package():
    """``fiftyone plugins requirements --install`` reads requirements.txt, pip reads pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    required = {line for line in project["project"]["dependencies"] if not line.startswith("fiftyone")}
    assert set((ROOT / "requirements.txt").read_text().split("\n")) - {""} == required


def test_versions_agree():
    import fiftyone_coreset as fc

    assert yaml.safe_load((ROOT / "fiftyone.yml").read_text())["version"] == fc.__version__
