"""Images at web addresses, which open-source FiftyOne does not read: what needs no pixels works, the rest says so."""

import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone.operators.executor import ExecutionError
from fiftyone_coreset.panels import figures
from fiftyone_coreset.panels.runs import find_run

N = 6


@pytest.fixture
def elsewhere(dataset):
    return dataset([f"http://127.0.0.1:9/{number}.png" for number in range(N)])


@pytest.mark.parametrize(
    ("operator", "params", "done"),
    [("compute_embeddings", {"model": "coreset-mini"}, "embedded"), ("compute_fingerprints", {}, "read")],
)
def test_what_needs_pixels_says_what_to_do(execute, elsewhere, operator, params, done):
    words = rf"none of the {N} images could be {done} \({N} missing\), e.g. .*: not a local file; download the media"
    with pytest.raises(ExecutionError, match=words):
        execute(operator, elsewhere, num_workers=0, **params)
    assert not elsewhere.has_field("clip_embeddings")
    assert not elsewhere.has_field("coreset_fingerprint")


def test_vectors_are_ranked_and_shown(execute, elsewhere, tmp_path):
    elsewhere.set_values("emb", list(np.random.default_rng(0).normal(size=(N, 4))))
    answer = execute("compute_coreset_scores", elsewhere, embeddings="emb", method="kcenter", projection="pca")
    assert answer["ranked"] == N
    results = fc.load_run(elsewhere, "coreset")
    assert results.report(3).n == N
    run = find_run(elsewhere, "coreset")
    assert figures.inspection(run, 0, 3)["title"].endswith(".png")
    assert len(figures.report_payload(run, 3)["rows"]) > 0
    assert "data:image/jpeg" not in results.share(tmp_path / "page.html", 3).read_text()
