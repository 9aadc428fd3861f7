"""The package: one canonical import path, light registration, packaging that forgets nothing."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fiftyone_coreset import cli

tomllib = pytest.importorskip("tomllib")  # Python 3.11

ROOT = Path(__file__).resolve().parents[1]
#: Declared although nothing here imports them: open_clip does, and their versions must fit torch and its checkpoints.
OPEN_CLIP_NEEDS = {"safetensors", "torchvision"}
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


#: Loads argv[1] as FiftyOne loads a plugin, and prints what it registers.
LOAD_PLUGIN = (
    "import importlib.util, sys\n"
    "name = 'fiftyone.plugins.orgs.fiftyone_coreset.coreset'\n"
    "spec = importlib.util.spec_from_file_location(name, sys.argv[1] + '/__init__.py',\n"
    "                                              submodule_search_locations=[sys.argv[1]])\n"
    "module = importlib.util.module_from_spec(spec); sys.modules[name] = module; spec.loader.exec_module(module)\n"
    "class Plugin:\n"
    "    def register(self, cls): print(cls.__module__)\n"
    "module.register(Plugin())"
)


@pytest.fixture
def downloaded(tmp_path):
    """What FiftyOne takes from a downloaded copy of this plugin, beside the package that Python imports."""
    copy = tmp_path / "@fiftyone-coreset" / "coreset"
    for file in ("__init__.py", "fiftyone.yml", "dist/index.umd.js"):
        (copy / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, copy / file)
    return copy


def test_an_equal_copy_runs_the_one_package(downloaded):
    modules = _run(LOAD_PLUGIN, str(downloaded)).split()
    assert "fiftyone_coreset.panels.coreset" in modules


@pytest.mark.parametrize("part", ["version", "panel"])
def test_two_different_copies_are_named_and_not_mixed(downloaded, part):
    if part == "version":
        source = (downloaded / "__init__.py").read_text()
        (downloaded / "__init__.py").write_text(re.sub('__version__ = ".*"', '__version__ = "9.8.7"', source))
    else:
        (downloaded / "dist" / "index.umd.js").write_text("// another panel")
    done = subprocess.run(
        [sys.executable, "-c", LOAD_PLUGIN, str(downloaded)], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert done.stdout == ""
    announced = done.stderr.splitlines()[0]
    for said in (str(downloaded), str(ROOT), "fiftyone-coreset link", "pip uninstall fiftyone-coreset"):
        assert said in announced
    assert ("9.8.7" in announced) == (part == "version")


#: What provides an import of an extra that is left out of the tests' environment for its size.
NOT_INSTALLED = {"lance": "pylance"}


def test_imports_are_declared():
    """What the product imports, at the top of a file or inside a function, is declared, and nothing else is."""
    files = [ROOT / "__init__.py", ROOT / "cli.py", ROOT / "scale_commands.py"]
    for folder in ("plugin", "operators", "panels", "demo"):
        files += [path for path in (ROOT / folder).rglob("*.py") if "node_modules" not in path.parts]
    imported = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(node.module.split(".")[0])
    imported -= {*sys.stdlib_module_names, "fiftyone_coreset"}

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [line for extra, lines in project["optional-dependencies"].items() if extra != "dev" for line in lines]
    needed = {_distribution(line) for line in project["dependencies"]}
    declared = needed | {_distribution(line) for line in extras}
    providers = importlib.metadata.packages_distributions()
    undeclared = {
        name: providers.get(name)
        for name in imported
        if not declared & {_distribution(provider) for provider in providers.get(name, [NOT_INSTALLED.get(name, name)])}
    }
    assert not undeclared
    provided = {_distribution(provider) for name in imported for provider in providers.get(name, [])}
    in_extras = {_distribution(line) for line in project["optional-dependencies"]["clip"]}
    assert (needed | in_extras) - provided == OPEN_CLIP_NEEDS


def _distribution(requirement: str) -> str:
    return re.match(r"[\w.-]+", requirement).group().lower().replace("_", "-")


def test_fiftyone_has_no_upper_bound_and_one_lower_bound():
    """FiftyOne Enterprise is 2.x; pip would replace it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    manifest = yaml.safe_load((ROOT / "fiftyone.yml").read_text())
    (required,) = [line for line in project["project"]["dependencies"] if line.startswith("fiftyone")]
    assert required == "fiftyone" + manifest["fiftyone"]["version"] == "fiftyone>=1.22.1"


def test_the_command_says_its_version(capsys):
    import fiftyone_coreset as fc

    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"fiftyone-coreset {fc.__version__}\n"


def test_tab_completion_shows_public_names_only():
    import fiftyone_coreset as fc

    assert set(dir(fc)) == {*fc.__all__, "__version__"}


def test_public_names_resolve_and_unknown_ones_do_not():
    import fiftyone_coreset as fc

    for name in fc.__all__:
        assert getattr(fc, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = fc.nonsense


def test_requirements_agree_with_the_package():
    """``fiftyone plugins requirements --install`` reads requirements.txt, pip reads pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    everything = [*project["project"]["dependencies"], *extras["clip"], *extras["plot"]]  # the App embeds and plots
    required = {line for line in everything if not line.startswith("fiftyone>")}
    assert set((ROOT / "requirements.txt").read_text().split("\n")) - {""} == required


def test_versions_agree():
    import fiftyone_coreset as fc

    assert yaml.safe_load((ROOT / "fiftyone.yml").read_text())["version"] == fc.__version__
