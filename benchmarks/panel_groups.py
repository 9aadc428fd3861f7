"""Measures the panel's groups of near-copies in the real App: finding them, their pages, and frames while scrolling.

    python -m benchmarks.panel_groups --n 10000

Runs a private mongod and App server and headless Chromium (software GL). Each group is a picture and an altered copy.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import statistics
import time
from pathlib import Path

import numpy as np
from PIL import Image

from .panel import DIM, Probe, private_home, running_app

#: Groups that the browser asks for at a time.
_PAGE = 40
_LIST, _TILE = '[data-cy="coreset-groups"]', '[data-cy="coreset-tile"] img'


def make_dataset(n: int, folder: Path):
    """Makes n pictures and a copy of each, with fingerprints, ranked at random, with a PCA map."""
    import fiftyone as fo
    import fiftyone_coreset as fc

    rng = np.random.default_rng(0)
    paths = []
    for number in range(n):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 10, 3), dtype=np.uint8))
        picture = coarse.resize((100, 76), Image.Resampling.BICUBIC)
        for copy in range(2):
            paths.append(folder / f"{number:05d}{'ab'[copy]}.jpg")
            picture.crop((copy, copy, 96 + copy, 72 + copy)).save(paths[-1], quality=95 - 20 * copy)
    dataset = fo.Dataset(f"groups-{n}", persistent=True)
    dataset.add_samples([fo.Sample(str(path)) for path in paths], progress=False)
    vectors = np.repeat(rng.normal(size=(n, DIM)), 2, axis=0) + 0.05 * rng.normal(size=(2 * n, DIM))
    dataset.set_values("emb", list(vectors.astype(np.float32)), progress=False)
    fc.compute_fingerprints(dataset, num_workers=0, progress=False)
    fc.compute_coreset(dataset, "emb", "coreset", method="random", projection="pca", progress=False)
    return dataset


def on_server(dataset, repeats: int) -> dict:
    """Seconds until the groups are found, and milliseconds for pages of them at random places."""
    from fiftyone.operators.executor import ExecutionContext, Executor
    from fiftyone_coreset.panels.coreset import CoresetPanel

    def timed(event: str, **params) -> tuple[float, dict]:
        request = {"dataset_name": dataset.name, "params": {"key": "coreset", **params}, "view": []}
        started = time.perf_counter()
        answer = getattr(CoresetPanel(), event)(ExecutionContext(request, Executor()))
        return time.perf_counter() - started, answer

    first, found = timed("load_groups")
    again, _ = timed("load_groups")
    sizes = np.frombuffer(base64.b64decode(found["sizes"]), dtype=np.uint32)
    rng = np.random.default_rng(0)
    pages = []
    for _ in range(repeats):
        start = int(rng.integers(len(sizes) - _PAGE))
        pages.append(timed("load_group_page", version=found["version"], groups=list(range(start, start + _PAGE)))[0])
    return {
        "groups": len(sizes),
        "found_s": round(first, 1),
        "known_s": round(again, 2),
        "page_ms": {"median": round(1000 * statistics.median(pages)), "worst": round(1000 * max(pages))},
    }


def in_browser(probe: Probe, repeats: int) -> dict:
    """Seconds until the first pictures, frames while the list moves by a third of a screen each, and jumps."""
    page = probe.page
    page.set_default_timeout(1_200_000)  # the server looks for the groups first
    page.wait_for_timeout(3000)
    probe.open_panel()
    opened = probe.timed(
        lambda: page.locator('[data-cy="coreset-show-redundant"]').click(), f"() => document.querySelector('{_TILE}')"
    )
    frames = page.evaluate(
        """async (name) => {
          const list = document.querySelector(name), times = [];
          let before = await new Promise(requestAnimationFrame);
          for (let step = 0; step < 240; step++) {
            list.scrollTop += list.clientHeight / 3;
            const now = await new Promise(requestAnimationFrame);
            times.push(now - before);
            before = now;
          }
          return times;
        }""",
        _LIST,
    )
    jumps = []
    for share in np.random.default_rng(1).random(repeats):
        there = (
            "share => { const list = document.querySelector('LIST'); list.scrollTop = share * list.scrollHeight; }"
        ).replace("LIST", _LIST)
        jumps.append(
            probe.timed(
                lambda there=there, share=share: page.evaluate(there, float(share)),
                f"""() => {{
                  const list = document.querySelector('{_LIST}').getBoundingClientRect();
                  const middle = document.elementFromPoint(list.x + list.width / 3, list.y + list.height / 2);
                  const row = middle?.closest('[data-cy="coreset-group"]');
                  return row && row.querySelectorAll('{_TILE}').length > 0;
                }}""",
            )
        )
    return {
        "first_pictures_s": round(opened, 1),
        "scroll_frame_ms": {
            "median": round(statistics.median(frames), 1),
            "95 %": round(float(np.quantile(frames, 0.95)), 1),
            "worst": round(max(frames), 1),
        },
        "jump_to_pictures_s": {"median": round(statistics.median(jumps), 2), "worst": round(max(jumps), 2)},
        "largest_request_bytes": max(probe.requests),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args()
    with private_home() as home:
        dataset = make_dataset(args.n, home)
        print(json.dumps(on_server(dataset, args.repeats)), flush=True)
        with running_app(home) as (browser, url):
            found = in_browser(Probe(browser, url, dataset.name), args.repeats)
            print(json.dumps(found | {"load": os.getloadavg()[0]}), flush=True)


if __name__ == "__main__":
    main()
