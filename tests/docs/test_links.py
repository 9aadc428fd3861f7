"""Links, anchors, files and modules that the documents name exist, in the repository and in a plugin download."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from pathlib import Path

import fiftyone_coreset as fc
import pytest

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")
#: What reads like the path of a file, of a folder, or of a module of this repository.
FOLDERS = "benchmarks|demo|docs|operators|panels|plugin|scripts|tests"
NAMED_PATH = re.compile(rf"(?<![\w./])(?:{FOLDERS})/[\w./-]*")
NAMED_MODULE = re.compile(rf"(?<![\w./@])(?:{FOLDERS})(?:\.(?!md\b)[a-z_0-9]+)+(?![\w/])")


@pytest.fixture(scope="module", params=["repository", "plugin download"])
def tree(request, tmp_path_factory) -> Path:
    if request.param == "repository":
        return ROOT
    folder = tmp_path_factory.mktemp("download")
    packed = subprocess.run(["git", "-C", ROOT, "archive", "HEAD"], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def _pages(tree: Path) -> list[Path]:
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "*.md"], capture_output=True, text=True, check=True).stdout
    return [tree / name for name in listed.split() if (tree / name).exists()]


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere(tree):
    dead = []
    for page in _pages(tree):
        for path, anchor in LINK.findall(page.read_text()):
            target = page.parent / path if path else page
            if not target.exists() or (anchor and anchor not in _anchors(target)):
                dead.append(f"{page.relative_to(tree)}: {path}#{anchor}")
    assert not dead


def test_contributing_says_where_everything_lives():
    listed = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, check=True).stdout
    folders = {path.parent for path in map(Path, listed.split()) if len(path.parts) > 1}
    nouns = {Path(*folder.parts[: 2 if folder.parts[0] == "plugin" else 1]) for folder in folders}
    table = (ROOT / "CONTRIBUTING.md").read_text()
    missing = {str(noun) for noun in nouns if f"`{noun}/`" not in table and not noun.name.startswith(".")}
    assert not missing


def test_named_files_and_modules_exist():
    missing = []
    for page in _pages(ROOT):
        text = page.read_text()
        paths = [name.rstrip(".") for name in NAMED_PATH.findall(text)]
        modules = [name.replace(".", "/") for name in NAMED_MODULE.findall(text)]
        missing += [f"{page.name}: {path}" for path in paths if not (ROOT / path).exists()]
        missing += [f"{page.name}: {path}" for path in modules if not list(ROOT.glob(f"{path}*"))]
    assert not missing


def test_the_reference_holds_every_public_name_and_method():
    api, methods = [(ROOT / "docs" / "reference" / page).read_text() for page in ("api.md", "methods.md")]
    assert [name for name in fc._PUBLIC if f".{name}\n" not in api] == []
    assert [name for name in fc.list_methods() if f"## {name}\n" not in methods] == []
