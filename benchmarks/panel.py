"""Measures the Coreset panel in the real App: time to the first paint, budget changes, lasso to grid, request sizes.

    python -m benchmarks.panel --n 100000

Runs a private mongod and App server and headless Chromium (software GL). The images share a few files, since the panel
never reads them; embeddings and the ranking are synthetic.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from fiftyone_coreset.demo.database import running_mongod
from fiftyone_coreset.demo.environment import use_private_fiftyone
from fiftyone_coreset.demo.plugin_link import link_plugin

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import app_server
import images

MAP = '[data-cy="coreset-map"]'
DIM = 64

#: What the grid says it shows, as a number.
_COUNT = (
    "Number((document.querySelector('[data-cy=\"entry-counts\"]').innerText.match(/[\\d,]+/) ?? ['0'])[0]"
    ".replaceAll(',', ''))"
)


def make_dataset(n: int, folder: Path):
    """Makes n samples in 60 clusters, ranked at random, with a PCA map."""
    import bson
    import fiftyone as fo
    import fiftyone_coreset as fc

    paths = images.write_images(folder / "images", 20)
    dataset = fo.Dataset(f"panel-{n}", persistent=True)
    dataset.add_sample(fo.Sample(filepath=str(paths[0])))
    collection = fo.core.odm.get_db_conn()[dataset._sample_collection_name]
    template = collection.find_one()
    rng = np.random.default_rng(0)
    for start in range(1, n, 50_000):
        stop = min(start + 50_000, n)
        collection.insert_many(
            {**template, "_id": bson.ObjectId(), "filepath": str(paths[i % 20]), "_rand": float(rng.random())}
            for i in range(start, stop)
        )
    dataset.reload()
    centers = rng.normal(size=(60, DIM))
    embeddings = (centers[rng.integers(60, size=n)] + 0.35 * rng.normal(size=(n, DIM))).astype(np.float32)
    if n <= 200_000:
        dataset.add_sample_field("emb", fo.VectorField)
        dataset.set_values("emb", list(embeddings), progress=False)
        embeddings = "emb"
    started = time.perf_counter()
    fc.compute_coreset(dataset, embeddings, "coreset", method="random", projection="pca", progress=False)
    print(f"run of {n:,} written in {time.perf_counter() - started:.0f} s", flush=True)
    return dataset.name


class Probe:
    """A page with the panel, and the times of what is done with it."""

    def __init__(self, browser, url: str, dataset: str):
        self.page = browser.new_context(viewport={"width": 1366, "height": 768}).new_page()
        self.page.set_default_timeout(300_000)
        self.requests: list[int] = []
        self.page.on("request", self._count)
        self.page.add_locator_handler(self.page.get_by_role("button", name="Dismiss"), lambda b: b.first.click())
        self.page.goto(f"{url}/datasets/{dataset}")
        self.page.wait_for_selector('[data-cy="fo-grid"]')

    def _count(self, request) -> None:
        if request.method == "POST" and "/operators/" in request.url:
            self.requests.append(len(request.post_data or ""))

    def timed(self, act, until, arg=None) -> float:
        """Seconds from doing something until a condition holds in the page."""
        started = time.perf_counter()
        act()
        self.page.wait_for_function(until, arg=arg, polling=20)
        return time.perf_counter() - started

    def open_panel(self) -> float:
        """Seconds from the click in the menu to the first drawing of the map."""
        self.page.locator('[data-cy="new-panel-btn"]').first.click()
        option = self.page.locator('[data-cy="new-panel-option-coreset"]')
        option.wait_for()
        return self.timed(option.click, f"() => document.querySelector('{MAP}[data-drawn]')")

    def set_budgets(self, budgets: list[int]) -> dict[str, float]:
        """Milliseconds from a key on the slider to the frame after the map was drawn, measured inside the page."""
        times = self.page.evaluate(
            """async (steps) => {
              const slider = document.querySelector('[data-cy="coreset-slider"]'), map = document.querySelector('MAP');
              const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set;
              const times = [];
              for (const step of steps) {
                const drawn = map.dataset.drawn, start = performance.now();
                set.call(slider, step);
                slider.dispatchEvent(new Event("input", { bubbles: true }));
                while (map.dataset.drawn === drawn) await new Promise(requestAnimationFrame);
                await new Promise(requestAnimationFrame);
                times.push(performance.now() - start);
                await new Promise((done) => setTimeout(done, 150));
              }
              return times;
            }""".replace("MAP", MAP),
            budgets,
        )
        return {"median_ms": round(statistics.median(times)), "worst_ms": round(max(times))}

    def lasso(self, full: int) -> tuple[float, int]:
        """Seconds from the end of a lasso until the grid has changed, and what it shows then."""
        self.page.locator('[data-cy="coreset-tool-lasso"]').click()
        box = self.page.locator(MAP).bounding_box()
        middle, radius = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2), box["height"] / 5
        angles = np.linspace(0, 2 * np.pi, 40)
        places = [(middle[0] + radius * np.cos(a), middle[1] + radius * np.sin(a)) for a in angles]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places:
            self.page.mouse.move(*place)
        seconds = self.timed(self.page.mouse.up, f"n => {{ const c = {_COUNT}; return c && c !== n; }}", full)
        return seconds, self.page.evaluate(_COUNT)

    def pan(self) -> dict[str, float]:
        """Milliseconds of one frame while the map moves."""
        times = self.page.evaluate(
            """async () => {
              const map = document.querySelector('MAP'), frame = map.parentElement, times = [];
              for (let i = 0; i < 12; i++) {
                const drawn = map.dataset.drawn, start = performance.now();
                frame.dispatchEvent(new WheelEvent("wheel", { deltaY: i % 2 ? 60 : -60, cancelable: true }));
                while (map.dataset.drawn === drawn) await new Promise(requestAnimationFrame);
                times.push(performance.now() - start);
              }
              return times;
            }""".replace("MAP", MAP)
        )
        return {"median_ms": round(statistics.median(times)), "worst_ms": round(max(times))}


def measure(browser, url: str, dataset: str, n: int, repeats: int) -> dict:
    probe = Probe(browser, url, dataset)
    probe.page.wait_for_timeout(3000)
    opened = [probe.open_panel()]
    for _ in range(repeats - 1):
        probe.page.reload()
        probe.page.wait_for_selector('[data-cy="fo-grid"]')
        started = time.perf_counter()
        probe.page.wait_for_selector(f"{MAP}[data-drawn]")
        opened.append(time.perf_counter() - started)
    started = time.perf_counter()
    measured = n <= 150_000
    if measured:
        probe.page.wait_for_selector('[data-cy="coreset-tile-covered"]')
    covered = time.perf_counter() - started
    probe.page.wait_for_selector('[data-cy="coreset-report"][aria-busy="false"]')
    budgets = probe.set_budgets([300, 500, 700, 400, 650, 550, 350, 450, 600, 640])
    pan = probe.pan()
    probe.requests.clear()
    probe.page.wait_for_timeout(1500)
    seconds, found = probe.lasso(n)
    probe.page.wait_for_timeout(4000)
    probe.page.screenshot(path=f"test-artifacts/panel-{n}.png")
    return {
        "n": n,
        "open_first_s": round(opened[0], 2),
        "open_again_s": [round(s, 2) for s in opened[1:]],
        "coverage_of_every_point_s": round(covered, 1) if measured else None,
        "budget_change": budgets,
        "zoom_frame": pan,
        "lasso_to_grid_s": round(seconds, 2),
        "lasso_found": found,
        "largest_request_bytes": max(probe.requests),
        "load": os.getloadavg()[0],
    }


@contextmanager
def private_home() -> Iterator[Path]:
    """A folder with a database and a plugins folder of its own, the plugin in it; all gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="coreset-benchmark-"))
    use_private_fiftyone(home)
    try:
        with running_mongod(home):
            link_plugin(Path(os.environ["FIFTYONE_PLUGINS_DIR"]))
            yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def running_app(home: Path) -> Iterator[tuple[Any, str]]:
    """Headless Chromium, and the address of an App server."""
    from playwright.sync_api import sync_playwright

    with app_server.running_server(home / "server.log") as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=app_server.CHROMIUM_ARGS)
        yield browser, url
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, nargs="+", default=[100_000])
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    Path("test-artifacts").mkdir(exist_ok=True)
    with private_home() as home:
        for n in args.n:
            dataset = make_dataset(n, home)
            with running_app(home) as (browser, url):
                print(json.dumps(measure(browser, url, dataset, n, args.repeats), indent=1), flush=True)


if __name__ == "__main__":
    main()
