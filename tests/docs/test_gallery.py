"""Every script of ``examples/`` runs as its first line says, and stays short."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import example_data
import numpy as np
import pytest

SCRIPTS = {path.stem: path for path in (Path(__file__).resolve().parents[2] / "examples").glob("*.py")}
#: What a script is given besides its dataset, and a word that it prints.
CALLS = {
    "choose_to_label": ([], "6 images in the saved view 'to_label 10%'"),
    "remove_copies": ([], "6 spare copies in 6 groups"),
    "what_is_missing": (["train", "street"], "Of 20 images of street"),
    "split": ([], "60 images were split"),
    "wrong_labels": (["ground_truth"], "labels look wrong"),
    "compare_methods": (["kcenter", "herding"], "only here"),
    "plain_arrays": (None, "first to keep"),
    "share_a_page": (["page.html"], "page.html"),
}


@pytest.fixture(scope="module")
def dataset(mongod, tmp_path_factory):
    made = example_data.example_dataset(tmp_path_factory.mktemp("photos"))
    yield made
    made.delete()


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_an_example_runs(name, dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments, said = CALLS[name]
    if arguments is None:
        np.save("vectors.npy", np.array(dataset.values("clip_embeddings")))
    call = ["vectors.npy"] if arguments is None else [dataset.name, *arguments]
    monkeypatch.setattr(sys, "argv", [name, *call])
    runpy.run_path(str(SCRIPTS[name]), run_name="__main__")
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_an_example_is_short(name):
    assert len(SCRIPTS[name].read_text().splitlines()) <= 40
