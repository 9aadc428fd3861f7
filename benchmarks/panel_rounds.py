"""Measures the panel's tab *Rounds* in the real App: each click, on the server and until the browser has drawn it.

    python -m benchmarks.panel_rounds --n 100000

Runs a private mongod and App server and headless Chromium (software GL). A campaign of two recorded rounds and an open
one, on synthetic embeddings in ten classes; 500 test images.
"""

from __future__ import annotations

import argparse
import json
import os
import time

import numpy as np

from .panel import MAP, Probe, make_dataset, private_home, running_app

_BATCH, _TEST, _CLASSES = 100, 500, 10
_COLORS = ["round", "uncertainty", "predicted", "outcome", "test", "changed"]


def add_rounds(name: str) -> None:
    """Two recorded rounds and an open one."""
    import fiftyone as fo
    import fiftyone_coreset as fc

    dataset = fo.load_dataset(name)
    vectors = np.stack(dataset.values("emb"))
    shown = (vectors @ np.random.default_rng(1).normal(size=(vectors.shape[1], _CLASSES))).argmax(axis=1)
    class_of = dict(zip(dataset.values("id"), map(str, shown), strict=True))

    def label(view) -> None:
        labels = {row: fo.Classification(label=class_of[row]) for row in view.values("id")}
        dataset.set_values("label", labels, key_field="id")

    label(fc.reserve_test(dataset, size=_TEST))
    for number in (1, 2, 3):
        started = time.perf_counter()
        batch = fc.next_batch(dataset, _BATCH, label_field="label", embeddings="emb", progress=False)
        if number < 3:
            label(batch.view)
            fc.record_round(dataset, progress=False)
        print(f"round {number} in {time.perf_counter() - started:.0f} s", flush=True)


def on_server(name: str) -> dict:
    """Processor seconds of the server and kilobytes sent for each click."""
    import fiftyone as fo
    from fiftyone.operators.executor import ExecutionContext, Executor
    from fiftyone_coreset.panels.coreset import CoresetPanel

    dataset, figures = fo.load_dataset(name), {}

    def measured(what: str, event: str, **params) -> dict:
        request = {"dataset_name": dataset.name, "params": params, "view": []}
        context = ExecutionContext(request, Executor())
        before = time.process_time(), time.perf_counter()
        answer = getattr(CoresetPanel(), event)(context)
        cpu, wall = time.process_time() - before[0], time.perf_counter() - before[1]
        sent = len(json.dumps(answer)) / 1000
        figures[what] = {"cpu_s": round(cpu, 2), "wall_s": round(wall, 2), "sent_kb": round(sent, 1)}
        return answer

    for what in ("open the tab, first time", "open the tab"):
        measured(what, "load_campaign", key="rounds")
    measured("curve and advice", "load_learning_curve", key="rounds", metric="accuracy", target=0.9)
    for color in (*_COLORS, "next"):
        measured(f"colour by {color}", "load_coloring", key="coreset", channel=f"rounds:rounds:{color}", k=0)
    for what in ("weak spots, first time", "weak spots"):
        found = measured(what, "load_weak_spots", key="rounds")
    measured("open a weak spot", "show_weak_spot", key="rounds", version=found["version"], place=0)
    measured("open a batch", "show_round", key="rounds", number=1)
    return figures


def in_browser(probe: Probe, n: int) -> dict:
    """Seconds from a click until it is drawn; and the processor seconds of the page's main thread for it, which do not
    depend on what else the machine does.
    """
    page, spent = probe.page, {}
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def main_thread() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")

    page.wait_for_timeout(3000)
    figures = {}

    def clicked(what: str, act, until: str, arg=None) -> None:
        before = main_thread()
        figures[what] = round(probe.timed(act, until, arg), 2)
        page.wait_for_timeout(500)  # what the click leaves to do
        spent[what] = round(main_thread() - before, 2)

    probe.open_panel()
    clicked(
        "open the tab",
        lambda: page.locator('[data-cy="coreset-turn-to-rounds"]').click(),
        "() => document.querySelector('[data-cy=\"coreset-learning-point\"]')",
    )
    clicked("weak spots", lambda: None, "() => document.querySelector('[data-cy=\"coreset-spot-0\"]')")
    select = page.locator('[data-cy="coreset-color"]')
    for color in _COLORS[1:]:
        drawn = page.locator(MAP).get_attribute("data-drawn")
        clicked(
            f"colour by {color}",
            lambda color=color: select.select_option(f"rounds:rounds:{color}"),
            f"before => document.querySelector('{MAP}').dataset.drawn !== before",
            drawn,
        )
    before = main_thread()
    figures["zoom_frame"] = probe.pan()
    spent["12 frames while zooming"] = round(main_thread() - before, 2)
    clicked(
        "open a weak spot",
        lambda: page.locator('[data-cy="coreset-spot-0"]').click(),
        f"() => !(document.querySelector('[data-cy=\"entry-counts\"]')?.innerText ?? '{n:,}').startsWith('{n:,}')",
    )
    return figures | {"main_thread_cpu_s": spent}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100_000)
    args = parser.parse_args()
    with private_home() as home:
        name = make_dataset(args.n, home)
        add_rounds(name)
        print(json.dumps(on_server(name), indent=1), flush=True)
        with running_app(home) as (browser, url):
            found = in_browser(Probe(browser, url, name), args.n)
            print(json.dumps(found | {"load": os.getloadavg()[0]}), flush=True)


if __name__ == "__main__":
    main()
