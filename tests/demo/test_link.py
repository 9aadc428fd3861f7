"""``fiftyone-coreset link`` beside a copy that FiftyOne downloaded."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = "import sys; from fiftyone_coreset.cli import main; sys.exit(main(['link']))"
MANIFEST = Path(__file__).resolve().parents[2] / "fiftyone.yml"


def link(plugins_dir: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"FIFTYONE_PLUGINS_DIR": str(plugins_dir)}
    return subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def download_folder(mongod, tmp_path):
    """Where FiftyOne would put a download of this plugin into an empty plugins folder."""
    program = (
        "import json, fiftyone.plugins.core as core; "
        "print(json.dumps(core._recommend_plugin_dir('@fiftyone-coreset/coreset')))"
    )
    environment = os.environ | {"FIFTYONE_PLUGINS_DIR": str(tmp_path)}
    printed = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    return Path(json.loads(printed.stdout.splitlines()[-1]))


def test_link_refuses_beside_a_download(download_folder, tmp_path):
    assert download_folder.is_relative_to(tmp_path)
    download_folder.mkdir(parents=True)
    (download_folder / "fiftyone.yml").write_bytes(MANIFEST.read_bytes())
    done = link(tmp_path)
    assert done.returncode == 1
    assert f"another copy of this plugin in {download_folder}" in done.stderr
    assert not (tmp_path / "fiftyone-coreset").is_symlink()

    (download_folder / "fiftyone.yml").unlink()
    for _ in range(2):  # a link of ours is no other copy
        assert link(tmp_path).returncode == 0
    assert (tmp_path / "fiftyone-coreset").resolve() == MANIFEST.parent
