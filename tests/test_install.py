"""Both ways to install: ``fiftyone plugins download`` of a zip, and a wheel. Neither uses this checkout's install."""

from __future__ import annotations

import functools
import http.server
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

#: Keeps the editable installation of this checkout out of a child process.
WITHOUT_CHECKOUT = (
    "import sys; sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]; "
    "import importlib.util as u; assert u.find_spec('fiftyone_coreset') is None; "
)


def _run(program: str, **kwargs) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, **kwargs)


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """The tracked files as a zip with one top folder, as a code host offers them."""
    path = tmp_path_factory.mktemp("archive") / "fiftyone-coreset.zip"
    subprocess.run(
        ["git", "-C", ROOT, "archive", "--format=zip", "--prefix=fiftyone-coreset-main/", "-o", path, "HEAD"],
        check=True,
    )
    return path


def test_plugins_download_from_a_zip(archive, tmp_path, mongod):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=archive.parent)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = os.environ | {"FIFTYONE_PLUGINS_DIR": str(tmp_path / "plugins")}
    url = f"http://127.0.0.1:{server.server_port}/{archive.name}"
    program = (
        f"{WITHOUT_CHECKOUT}"
        "import fiftyone.plugins as fop, fiftyone.operators as foo; "
        f"fop.download_plugin({url!r}); "
        "print(*[o.uri for o in foo.list_operators() if 'coreset' in o.uri]); "
        "import fiftyone_coreset; print(fiftyone_coreset.__file__)"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
        )
    finally:
        server.shutdown()
    assert done.returncode == 0, done.stderr
    operators, package = done.stdout.strip().splitlines()[-2:]
    assert "@fiftyone-coreset/coreset/compute_coreset_scores" in operators.split()
    assert Path(package).is_relative_to(tmp_path / "plugins")


def test_a_wheel_holds_the_whole_package(archive, tmp_path):
    with zipfile.ZipFile(archive) as tree:
        tree.extractall(tmp_path)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--no-isolation",
            "--outdir",
            tmp_path,
            tmp_path / "fiftyone-coreset-main",
        ],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as package:
        package.extractall(site)
    files = {str(path.relative_to(site / "fiftyone_coreset")) for path in (site / "fiftyone_coreset").rglob("*")}
    for needed in ("fiftyone.yml", "requirements.txt", "dist/index.umd.js", "assets/icon.svg", "cli.py"):
        assert needed in files
    assert not {top.split("/")[0] for top in files} & {"tests", "benchmarks", "docs", "examples", "scripts"}

    program = (
        f"{WITHOUT_CHECKOUT}sys.path.insert(0, {str(site)!r}); import fiftyone_coreset as fc; "
        "model, preprocess, tokenizer = fc.load_clip('coreset-mini'); print(fc.__file__, tokenizer(['a dog']).shape[0])"
    )
    done = _run(program, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(site / "fiftyone_coreset" / "__init__.py"), "1"]
