"""``fiftyone-coreset link`` beside a copy that FiftyOne downloaded."""

import json
import os
import subprocess
import sys
from pathlib import Path

MANIFEST = Path(__file__).resolve().parents[2] / "fiftyone.yml"

#: Puts a manifest where FiftyOne would put a download of this plugin, links beside it, takes it away, and links twice:
#: a link of ours is no other copy. One process does all of it, because each has to import FiftyOne.
PROGRAM = """
import json, shutil, sys
from pathlib import Path
import fiftyone.plugins.core as core
from fiftyone_coreset.cli import main
folder = Path(core._recommend_plugin_dir("@fiftyone-coreset/coreset"))
folder.mkdir(parents=True)
shutil.copy(sys.argv[1], folder)
statuses = [main(["link"])]
linked = Path(sys.argv[2], "fiftyone-coreset").exists()
(folder / "fiftyone.yml").unlink()
statuses += [main(["link"]), main(["link"])]
print(json.dumps({"folder": str(folder), "statuses": statuses, "linked": linked}))
"""


def test_link_refuses_beside_a_download(mongod, tmp_path):
    environment = os.environ | {"FIFTYONE_PLUGINS_DIR": str(tmp_path)}
    command = [sys.executable, "-c", PROGRAM, MANIFEST, tmp_path]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    assert Path(told["folder"]).is_relative_to(tmp_path)
    assert told["statuses"] == [1, 0, 0]
    assert not told["linked"]
    assert f"another copy of this plugin in {told['folder']}" in done.stderr
    assert (tmp_path / "fiftyone-coreset").resolve() == MANIFEST.parent
