"""The commands of docs/scale.md run, in order, on a small folder of images."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

from fiftyone_coreset import cli

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scale.md"


def test_the_commands_of_the_page_run(dataset, image_folder, tmp_path, monkeypatch, capsys):
    image_folder(n=60)
    (tmp_path / "images0").rename(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    page = PAGE.read_text()
    for name, recipe in re.findall(r"```toml\n# (\S+)\n(.*?)```", page, re.DOTALL):
        Path(name).write_text(recipe)
    for block in re.findall(r"```shell\n(.*?)```", page, re.DOTALL):
        for line in block.strip().splitlines():
            program, *arguments = shlex.split(line)
            assert program == "fiftyone-coreset"
            expected = {0, 3} if "--units" in arguments else {0}  # 3: other shares make the rest
            if arguments[1] == "run" and sys.version_info < (3, 11):
                expected = {1}  # recipes are refused
            assert cli.main(arguments) in expected, capsys.readouterr().err
    assert "embeddings: 3 of 3 parts, 60 ok" in capsys.readouterr().out


def test_a_refusal_is_one_sentence(tmp_path, capsys):
    assert cli.main(["scale", "status", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"fiftyone-coreset: {tmp_path} holds no run; plan one first: fiftyone-coreset scale plan SOURCE OUT\n"
    )
