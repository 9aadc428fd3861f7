"""The Coreset panel in the real App: what a curator clicks, and what the grid then shows."""

import re

import fiftyone as fo
import images
import numpy as np
import pytest
from coreset_data import embedded, repeated
from matplotlib.path import Path as Outline
from panel_page import CUT, MAP, N, Panel, score

pytestmark = pytest.mark.app


@pytest.fixture(scope="module")
def shared(new_app, mongod, tmp_path_factory):
    """One page with the panel on a dataset with one run, for all tests that only look and click."""
    paths = images.write_images(tmp_path_factory.mktemp("panel"), 5)
    made = fo.Dataset()
    made.add_samples([fo.Sample(filepath=str(path)) for path in repeated(paths, N)], progress=False)
    score(embedded(made))
    with new_app() as app:
        yield Panel(app, made), made
    made.delete()


@pytest.fixture
def panel(shared, request):
    """The shared panel, put back to where a curator starts."""
    panel, dataset = shared
    dataset.reload()
    if (
        panel.page.locator('[data-cy="modal"]').count()
        or not panel.part("map").count()
        or dataset.name not in panel.page.url
    ):
        panel.open(dataset)
    panel.app.clear_view()  # the server remembers the view of a dataset
    panel.app.wait_for_grid_count(N)
    panel.ready()
    panel.part("leave").wait_for(state="hidden")
    panel.part("tool-pan").click()
    panel.part("color").select_option("status")
    panel.set_count(15)
    panel.app.errors.clear()
    yield panel
    panel.app.screenshot_if_failed(request)
    errors = panel.app.errors.copy()
    panel.app.errors.clear()
    assert errors == []


@pytest.fixture
def run(shared):
    """The shared dataset's run."""
    return shared[1].load_brain_results("cs")


def test_budget_moves_tiles_marker_and_grid(panel):
    panel.set_count(40)
    assert panel.tile("kept") == 40
    marker = panel.part("marker").get_attribute("x1")
    panel.part("percent").fill("50")
    panel.part("percent").press("Enter")
    assert panel.tile("kept") == 75
    assert float(panel.part("marker").get_attribute("x1")) > float(marker)
    statuses = [panel.tile(status) for status in ("kept", "redundant", "covered", "uncovered")]
    assert sum(statuses) == N
    panel.part("show-kept").click()
    panel.app.wait_for_grid_count(75)


def test_slider_and_curve_set_the_budget(panel):
    slider = panel.part("slider")
    slider.focus()
    slider.press("Home")
    assert panel.tile("kept") == 1
    slider.press("End")
    assert panel.tile("kept") == N
    assert panel.tile("uncovered") == 0
    box = panel.part("curve").bounding_box()
    panel.page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.4)
    assert 1 < panel.tile("kept") < N
    assert panel.page.locator(f"{MAP} >> xpath=..").get_attribute("data-kept") == str(panel.tile("kept"))


def test_smallest_budget_for_a_coverage(panel, run):
    panel.part("target-90").click()
    k = panel.tile("kept")
    assert k == run.curve().smallest_budget_for(0.9)
    assert panel.tile("uncovered") <= 0.1 * N


@pytest.mark.parametrize("typed", ["0", "151", "many"])
def test_impossible_budget_is_not_taken(panel, typed):
    before = panel.tile("kept")
    panel.part("count").fill(typed)
    assert panel.part("count").get_attribute("aria-invalid") == "true"
    panel.part("count").press("Enter")
    assert panel.tile("kept") == before


def test_lasso_filters_the_grid_and_escape_returns(panel, run):
    panel.part("tool-lasso").click()
    outline = panel.draw_region([(0.5, 0.2), (0.75, 0.35), (0.95, 0.6), (0.6, 0.8), (0.45, 0.5)])
    inside = Outline([*outline, outline[0]]).contains_points(run.points.astype(float))
    assert 0 < inside.sum() < N
    panel.app.wait_for_grid_count(int(inside.sum()))
    assert re.match(rf"{inside.sum()} images in the region, \d+ kept", panel.part("leave").inner_text())
    panel.page.locator(MAP).locator("xpath=..").focus()
    panel.page.keyboard.press("Escape")
    panel.app.wait_for_grid_count(N)


def test_box_filters_the_grid(panel, run):
    panel.part("tool-box").click()
    outline = panel.draw_region([(0.3, 0.2), (0.6, 0.9)])
    (x0, y0), (x1, y1) = np.min(outline, axis=0), np.max(outline, axis=0)
    x, y = run.points.T
    panel.app.wait_for_grid_count(int(((x > x0) & (x < x1) & (y > y0) & (y < y1)).sum()))
    panel.part("leave").click()
    panel.app.wait_for_grid_count(N)


def test_selected_samples_are_marked_on_the_map(panel):
    frame = panel.page.locator(f"{MAP} >> xpath=..")
    assert frame.get_attribute("data-selected") == "0"
    box = panel.page.locator('[data-cy="looker"]').first.bounding_box()
    panel.page.mouse.move(box["x"] + 20, box["y"] + 20)
    panel.page.mouse.click(box["x"] + 20, box["y"] + 20)
    panel.page.wait_for_selector('.fc-map[data-selected="1"]')


def test_colours(panel):
    options = panel.part("color").locator("option").evaluate_all("found => found.map(o => o.value)")
    assert {"status", "kept", "rank", "score", "coverage", "redundancy", "distance", "field:group"} <= set(options)
    for option in ("kept", "rank", "score", "distance", "field:ground_truth.label"):
        panel.part("color").select_option(option)
        words = {"kept": "Not kept", "rank": "first to keep", "field:ground_truth.label": "class 0"}.get(
            option, "ringed"
        )
        panel.part("legend").get_by_text(words, exact=False).first.wait_for()


def test_legend_entries_filter_the_map(panel):
    panel.set_count(40)
    caption = panel.part("caption")
    panel.part("legend").get_by_text("Kept", exact=True).click()
    caption.get_by_text("40 picked in the legend").wait_for()
    panel.part("legend").get_by_text("Uncovered").click()
    caption.get_by_text(f"{40 + panel.tile('uncovered')} picked in the legend").wait_for()
    panel.set_count(20)
    caption.get_by_text(f"{20 + panel.tile('uncovered')} picked in the legend").wait_for()
    for entry in ("Kept", "Uncovered"):
        panel.part("legend").get_by_text(entry, exact=True).click()
    caption.get_by_text("picked in the legend").wait_for(state="detached")


def test_hover_shows_the_image_and_click_opens_it(panel):
    box = panel.page.locator(MAP).bounding_box()
    for x, y in [(a / 40, b / 30) for b in range(4, 26) for a in range(4, 36)]:
        panel.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        if panel.part("hover").count():
            break
    panel.part("hover").locator("img").wait_for()
    text = panel.part("hover").inner_text()
    assert re.search(r"rank \d+ of 150", text)
    assert "Score" in text
    panel.page.mouse.down()
    panel.page.mouse.up()
    panel.page.wait_for_selector('[data-cy="modal"]')


def test_view_is_saved_and_opened(panel, shared):
    bare = shared[1]
    panel.set_count(33)
    panel.part("create-view").click()
    form = panel.page.locator('[data-cy="operators-prompt-modal"]')
    form.wait_for()
    form.get_by_role("button", name="Execute").click()
    panel.page.get_by_text("Saved the view 'cs 33': 33 of").first.wait_for()
    bare.reload()
    assert bare.list_saved_views() == ["cs 33"]
    assert len(bare.load_saved_view("cs 33")) == 33
    panel.page.goto(f"{panel.app.url}/datasets/{bare.name}?view=cs-33")
    panel.app.wait_for_grid_count(33)


def test_uncovered_are_shown(panel):
    panel.set_count(20)
    uncovered = panel.tile("uncovered")
    panel.part("show-uncovered").click()
    panel.app.wait_for_grid_count(uncovered)


def test_dataset_switch(panel, dataset, image_folder):
    other = dataset(image_folder(n=2))
    panel.page.goto(f"{panel.app.url}/datasets/{other.name}")
    panel.app.wait_for_grid_count(2)
    panel.app.open_panel("coreset")
    panel.part("empty").wait_for()


def test_use_leaves_no_trace_in_requests(panel):
    sizes = []
    panel.page.on(
        "request",
        lambda request: sizes.append(len(request.post_data or "")) if "/operators/" in request.url else None,
    )
    for round_ in range(4):
        sizes.clear()
        for k in (10 + round_, 60 + round_):
            panel.set_count(k)
        panel.part("color").select_option(["score", "kept", "rank", "coverage"][round_])
        panel.page.wait_for_timeout(700)
        panel.part("tool-box").click()
        panel.draw_region([(0.1, 0.3), (0.9, 0.8)])
        panel.part("leave").click()
        panel.app.wait_for_grid_count(N)
        panel.part("leave").wait_for(state="hidden")
        assert max(sizes) < 6_000, "requests must not grow with use"


@pytest.mark.parametrize("size", [(1366, 768), (1920, 1080), (1100, 700), (900, 700)])
def test_nothing_is_cut_and_nothing_overlaps(panel, size):
    panel.page.set_viewport_size({"width": size[0], "height": size[1]})
    panel.page.wait_for_timeout(500)
    for color in ("status", "field:ground_truth.label", "score"):
        panel.part("color").select_option(color)
        panel.page.wait_for_timeout(500)
        assert panel.page.evaluate(CUT) == []


def test_dark_and_light(panel):
    def ground():
        return panel.page.evaluate("getComputedStyle(document.querySelector('.fc-root')).getPropertyValue('--ground')")

    dark = ground()
    panel.app.screenshot("panel-dark")
    panel.page.get_by_role("button", name="Light mode").first.click()
    panel.page.wait_for_selector(".fc-root.fc-light")
    panel.app.screenshot("panel-light")
    assert ground() != dark
    panel.page.get_by_role("button", name="Dark mode").first.click()
