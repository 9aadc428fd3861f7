"""A page that shows a coreset: whole, without a server, telling nothing of this machine."""

import base64
import json
import re
from types import SimpleNamespace

import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone_coreset import CoresetError


def read(path):
    """The page, and what its map is drawn from."""
    page = path.read_text(encoding="utf-8")
    data = json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)[1])
    arrays = {
        name: np.frombuffer(base64.b64decode(text), dtype=np.uint16 if name in "xy" else np.uint32)
        for name, text in data.items()
        if isinstance(text, str)
    }
    return SimpleNamespace(text=page, n=data.get("n"), k=data.get("k"), **arrays)


def test_the_page_holds_what_the_run_knows(dataset, image_folder, tmp_path):
    samples = dataset(image_folder(30, size=(32, 24)))
    samples.set_values("emb", list(np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)))
    results = fc.compute_coreset(samples, "emb", method="kcenter", projection="pca", progress=False)
    path = results.share(tmp_path / "page.html", budget=6)
    page = read(path)
    assert (page.n, page.k) == (30, 6)
    assert page.rank.tolist() == results.rank.tolist()
    first = results.first_cover()
    assert page.covered[results.ranking].tolist() == first.covered_at.tolist()
    assert np.corrcoef(page.x, results.points[:, 0])[0, 1] > 0.9999
    assert (page.x.min(), page.x.max()) == (0, 65_535)
    assert page.text.count("data:image/jpeg;base64,") >= 6
    assert "6 of 30 images of" in page.text
    assert str(samples.first().filepath.rsplit("/", 1)[0]) not in page.text, "no folder of this machine"
    outside = re.sub(r"<svg.*?</svg>", "", page.text, flags=re.DOTALL)
    assert not re.search(r'(src|href)="(?!data:)', outside), "nothing is fetched"
    assert re.search(r"<table>.*kcenter.*</table>", page.text, re.DOTALL)


def test_names_cannot_act_on_the_page(dataset, tmp_path):
    hostile = "<img src=x onerror=alert(1)>"
    samples = dataset([f"/nowhere/{hostile}{row}.png" for row in range(8)])
    samples.name = f"{samples.name} {hostile}"
    samples.set_values("emb", list(np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)))
    results = fc.compute_coreset(samples, "emb", method="random", projection=None, progress=False)
    page = read(results.share(tmp_path / "page.html", budget=2))
    assert hostile not in page.text
    assert not hasattr(page, "x")


def test_a_larger_map_is_drawn_at_random_and_says_so(dataset, tmp_path, monkeypatch):
    samples = dataset([f"/nowhere/{row}.png" for row in range(20)])
    samples.set_values("emb", list(np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)))
    results = fc.compute_coreset(samples, "emb", method="random", projection="pca", progress=False)
    monkeypatch.setattr("fiftyone_coreset.plugin.runs.share.MOST_DOTS", 7)
    page = read(results.share(tmp_path / "page.html", budget=2))
    assert (len(page.rank), page.n) == (7, 20)
    assert "7 of the 20 are shown, drawn at random" in page.text
    with pytest.raises(CoresetError, match=r"page.html' exists; choose another name or pass overwrite=True"):
        results.share(tmp_path / "page.html")
    with pytest.raises(CoresetError, match="cannot be written"):
        results.share(tmp_path / "absent" / "page.html")
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]
