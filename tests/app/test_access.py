"""The panel for people without a mouse, and for those who do not see well: keyboard alone, and axe's rules."""

from __future__ import annotations

from pathlib import Path

import example_data
import fiftyone as fo
import pytest
from matplotlib.path import Path as Outline
from playwright.sync_api import expect

pytestmark = pytest.mark.app

AXE = Path(__file__).resolve().parents[2] / "panels" / "web" / "node_modules" / "axe-core" / "axe.min.js"
N = example_data.N


@pytest.fixture(scope="module")
def dataset(mongod, tmp_path_factory):
    made = example_data.example_dataset(tmp_path_factory.mktemp("photos"))
    example_data.add_run_and_rounds(made)
    yield made
    made.delete()


def part(app, name):
    return app.page.locator(f'[data-cy="coreset-{name}"]')


def tab_to(app, name):
    """Presses Tab until a part of the panel has the focus."""
    for _ in range(120):
        app.page.keyboard.press("Tab")
        if app.page.evaluate("name => document.activeElement?.matches(name)", name):
            return
    raise AssertionError(f"Tab does not reach {name}")


def test_the_keyboard_is_enough(app, dataset):
    keys = app.page.keyboard
    app.open(dataset)
    keys.press("Backquote")
    app.page.wait_for_function("document.activeElement?.dataset.cy === 'operators-browser-search'")
    keys.type("open the coreset")
    app.page.get_by_text("Open the Coreset panel").first.wait_for()
    keys.press("Enter")
    app.page.wait_for_selector('[data-cy="coreset-map"][data-drawn]')
    part(app, "tile-kept").wait_for()

    tab_to(app, ".fc-map")
    for key in ("+", "+", "+", "ArrowLeft", "ArrowDown"):
        keys.press(key)
    with app.page.expect_request(lambda request: '"polygon"' in (request.post_data or "")) as sent:
        keys.press("Enter")
    part(app, "leave").wait_for()
    outline = sent.value.post_data_json["params"]["polygon"]
    points = dataset.load_brain_results("coreset").points.astype(float)
    inside = Outline([*outline, outline[0]]).contains_points(points)
    assert 0 < inside.sum() < N
    app.wait_for_grid_count(int(inside.sum()))
    keys.press("Escape")
    app.wait_for_grid_count(N)

    tab_to(app, '[data-cy="coreset-slider"]')
    before = part(app, "count").input_value()
    for _ in range(30):
        keys.press("ArrowRight")
    k = int(part(app, "count").input_value())
    assert k > int(before)

    tab_to(app, '[data-cy="coreset-create-view"]')
    keys.press("Enter")
    form = app.page.locator('[data-cy="operators-prompt-modal"]')
    expect(form.get_by_role("button", name="Execute")).to_be_enabled(timeout=60_000)
    keys.press("Control+Enter")
    app.page.get_by_text(f"Saved the view 'coreset {k}'").first.wait_for()
    dataset.reload()
    assert len(dataset.load_saved_view(f"coreset {k}")) == k
    assert app.errors == []


def violations(app):
    """What axe finds seriously wrong with the panel, as lines."""
    if not app.page.evaluate("() => !!window.axe"):
        app.page.evaluate(AXE.read_text())
    found = app.page.evaluate("() => axe.run('.fc-root')")["violations"]
    return [
        f"{rule['id']}: {node['html'][:120]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def test_the_apps_message_covers_no_button(app, dataset):
    """What a long operator did is shown at the bottom of the window, where the panel's buttons are."""
    app.page.set_viewport_size({"width": 900, "height": 900})
    app.open(dataset)
    app.open_panel("coreset")
    part(app, "create-view").wait_for()
    message = {"message": "12 images: /home/curator/fiftyone/coreset-exports/photographs-coreset-page.html"}
    app.page.evaluate("m => window.__foo__.executeOperator('@voxel51/operators/notify', m)", message)
    app.page.wait_for_function(
        """() => {
            const found = (name) => [...document.querySelectorAll(name)].map((one) => one.getBoundingClientRect());
            const message = Math.min(...found(".notistack-Snackbar").map((box) => box.top));
            // Infinity while there is none
            return message < Infinity && found(".fc-actions button").every((box) => box.bottom <= message);
        }"""
    )


@pytest.mark.skipif(not AXE.exists(), reason="'npm ci' in panels/web brings axe")
def test_axe_finds_nothing_serious(app, dataset):
    app.open(dataset)
    app.open_panel("coreset")
    found = {}
    for theme in ("dark", "light"):
        app.page.wait_for_selector(f".fc-root.fc-{theme} [data-cy='coreset-map'][data-drawn]")
        part(app, "tile-kept").wait_for()
        for color in ("status", "rank", "field:camera"):
            part(app, "color").select_option(color)
            found[theme, color] = violations(app)
        part(app, "turn-to-rounds").click()
        part(app, "spots").locator("table").wait_for()
        found[theme, "rounds"] = violations(app)
        part(app, "turn-to-budget").click()
        part(app, "show-redundant").click()
        for tab in ("look-alikes", "copies"):
            part(app, f"tab-{tab}").click()
            found[theme, tab] = violations(app)
        part(app, "tile").first.wait_for()
        part(app, "mark").click()
        part(app, "confirm").wait_for()
        found[theme, "confirm"] = violations(app)
        part(app, "unmark").click()
        part(app, "back").click()
        if theme == "dark":
            app.page.get_by_role("button", name="Light mode").first.click()
    assert {place: lines for place, lines in found.items() if lines} == {}
    assert app.errors == []


@pytest.mark.skipif(not AXE.exists(), reason="'npm ci' in panels/web brings axe")
def test_axe_finds_nothing_serious_in_an_empty_panel(app, dataset):
    empty = fo.Dataset()
    empty.add_sample(fo.Sample(filepath=dataset.first().filepath))
    app.open(empty)
    app.open_panel("coreset")
    part(app, "empty").wait_for()
    assert violations(app) == []
    empty.delete()
