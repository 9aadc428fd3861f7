"""The page that share() writes, in a real browser, from a file."""

import fiftyone_coreset as fc
import numpy as np
import pytest

pytestmark = pytest.mark.app


@pytest.fixture
def shared(dataset, image_folder, tmp_path):
    samples = dataset(image_folder(60, size=(48, 36)))
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(6, 8))[np.arange(60) % 6] + 0.3 * rng.normal(size=(60, 8))
    samples.set_values("emb", list(vectors.astype(np.float32)))
    results = fc.compute_coreset(samples, "emb", method="random", projection="pca", progress=False)
    return results, results.share(tmp_path / "page.html", budget=6)


def legend(page):
    return page.locator("#legend").inner_text().replace("\n", " ")


def test_the_page_needs_no_server_and_its_budget_moves(shared, browser):
    results, path = shared
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    faults, requests = [], []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    first = results.first_cover()
    for k in (6, 60):
        if k == 60:
            page.locator("#budget").fill("1000")
        dropped = slice(k, None)
        redundant = int((first.duplicate_at[dropped] <= k).sum())
        uncovered = int(((first.covered_at[dropped] > k) & (first.duplicate_at[dropped] > k)).sum())
        told = legend(page)
        assert f"{k} kept" in told
        assert f"{redundant} repeats a kept one" in told
        assert f"{uncovered} not covered" in told
        assert page.locator("#told").inner_text() == f"{k} of 60"
    drawn = "() => new Set(document.getElementById('canvas').getContext('2d').getImageData(0, 0, 2000, 1200).data).size"
    assert page.evaluate(drawn) > 3
    assert page.locator("figure img").count() >= 6
    assert page.evaluate("() => [...document.images].every((image) => image.naturalWidth > 0)")
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert faults == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    page.screenshot(path="test-artifacts/share.png", full_page=True)
    page.close()
