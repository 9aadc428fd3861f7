"""The Coreset panel in the real App: what a curator clicks, and what the grid then shows."""

import json
import re

import fiftyone as fo
import fiftyone_coreset as fc
import images
import numpy as np
import pytest
from coreset_data import embedded, repeated
from matplotlib.path import Path as Outline

pytestmark = pytest.mark.app

N = 150
MAP = '[data-cy="coreset-map"]'


@pytest.fixture
def bare(dataset, image_folder):
    """150 images with embeddings in ``emb``."""
    return embedded(dataset(repeated(image_folder(n=5), N)))


def score(samples, key="cs", **kwargs):
    return fc.compute_coreset(
        samples,
        "emb",
        key,
        method="zcore",
        n_draws=3000,
        projection="pca",
        label_field="ground_truth",
        progress=False,
        **kwargs,
    )


class Panel:
    """The open panel of a page."""

    def __init__(self, app, dataset):
        self.app, self.page = app, app.page
        self.content = self.page.locator('[data-cy="panel-content-coreset"]')
        self.open(dataset)

    def open(self, dataset):
        self.app.open(dataset)
        self.app.open_panel("coreset")

    def part(self, name):
        return self.page.locator(f'[data-cy="coreset-{name}"]')

    def ready(self):
        """Waits until the map is drawn and what it covers is measured."""
        self.page.wait_for_selector(f"{MAP}[data-drawn]")
        self.part("tile-kept").wait_for()
        return self

    def tile(self, status):
        return int(re.search(r"%\s+([\d,]+)", self.part(f"tile-{status}").inner_text()).group(1).replace(",", ""))

    def set_count(self, k):
        self.part("count").fill(str(k))
        self.part("count").press("Enter")

    def drag(self, corners):
        """Draws with the mouse through places given as shares of the map's width and height."""
        box = self.page.locator(MAP).bounding_box()
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place, steps=4)
        self.page.mouse.up()

    def draw_region(self, corners):
        """Draws a region with the mouse and returns its corners on the map, as the server got them."""
        with self.page.expect_request(lambda request: _polygon(request) is not None) as sent:
            self.drag(corners)
        self.part("leave").wait_for()
        return _polygon(sent.value)


def _polygon(request):
    body = json.loads(request.post_data or "{}") if request.method == "POST" else {}
    return (body.get("params") or {}).get("polygon")


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


def test_empty_panel_leads_to_a_run(app, bare):
    panel = Panel(app, bare)
    panel.part("empty").wait_for()
    assert "Embeddings: emb" in panel.part("empty").inner_text()
    app.screenshot("panel-empty")
    panel.part("run-scores").click()
    form = app.page.locator('[data-cy="operators-prompt-modal"]')
    form.wait_for()
    form.get_by_role("button", name="Execute").click()
    app.page.get_by_text(f"Ranked {N} by").first.wait_for(timeout=300_000)  # the kernels may be compiled first
    app.page.get_by_role("button", name="Done").click()
    panel.page.wait_for_selector(f"{MAP}[data-drawn]")
    bare.reload()
    assert bare.list_brain_runs(type="coreset") == ["coreset"]
    why = bare.load_brain_results("coreset").config.facts["why"]
    assert panel.page.locator(".fc-facts").get_attribute("title") == why
    assert app.errors == []


def test_dataset_without_embeddings_starts_there(app, dataset, image_folder):
    panel = Panel(app, dataset(image_folder(n=3)))
    panel.part("embed").wait_for()
    assert "Compute embeddings" in panel.part("empty").inner_text()
    assert app.errors == []


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


def test_map_follows_the_view(app, bare):
    score(bare)
    bare.save_view("group zero", bare.match(fo.ViewField("group") == 0))
    size = len(bare.load_saved_view("group zero"))
    panel = Panel(app, bare)
    app.page.goto(f"{app.url}/datasets/{bare.name}?view=group-zero")
    app.wait_for_grid_count(size)
    panel.ready()
    app.page.wait_for_function(
        "text => document.querySelector('[data-cy=\"coreset-caption\"]')?.innerText.includes(text)",
        arg=f"{size} of {N} in view",
    )
    assert app.errors == []


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


def test_several_runs(app, bare):
    score(bare)
    score(bare.limit(60), "part")
    panel = Panel(app, bare).ready()
    panel.part("run").select_option("part")
    panel.page.get_by_text("This run ranks a view: 60 of the dataset's 150 images.").wait_for()
    panel.ready()
    panel.set_count(30)
    panel.part("run").select_option("cs")
    panel.page.wait_for_function("() => document.querySelector('[data-cy=\"coreset-count\"]')?.value === '15'")
    assert app.errors == []


def test_runs_are_compared(app, bare):
    score(bare)
    fc.compute_coreset(bare, "emb", "dice", method="random", projection="pca", progress=False)
    panel = Panel(app, bare).ready()
    panel.part("run").select_option("cs")
    panel.ready()
    panel.part("color").select_option("run:dice")
    panel.set_count(40)
    cs, dice = (set(run.ids[run.rank < 40]) for run in map(bare.load_brain_results, ("cs", "dice")))
    counts = [len(cs & dice), len(cs - dice), len(dice - cs), N - len(cs | dice)]
    labels = ["both", "only cs", "only dice", "neither"]
    expected = [f"{label}{count}" for label, count in zip(labels, counts, strict=True)]
    panel.page.wait_for_function(
        "words => [...document.querySelectorAll('.fc-legend .fc-swatch')].map(e => e.innerText.replace(/\\s/g, ''))"
        ".join() === words.map(w => w.replace(' ', '')).join()",
        arg=expected,
    )
    app.screenshot("panel-compared")
    assert panel.page.evaluate(CUT) == []
    panel.part("compare").click()
    form = panel.page.locator('[data-cy="operators-prompt-modal"]')
    form.wait_for()
    form.get_by_role("button", name="Execute").click()
    table = panel.page.get_by_role("table").first
    table.wait_for()
    assert "dice" in table.inner_text()
    app.screenshot("panel-compare-table")
    assert app.errors == []


def test_changes_behind_the_panel_are_told(app, bare):
    score(bare)
    score(bare, "other")
    panel = Panel(app, bare).ready()
    panel.part("run").select_option("cs")
    panel.ready()
    bare.delete_samples(bare.take(7, seed=1).values("id"))
    panel.part("reload").click()
    panel.page.get_by_text("7 of the 150 ranked images were deleted after the run").wait_for()
    panel.page.get_by_text("143 of 150 images left").wait_for()
    panel.page.wait_for_function(
        "n => n === [...document.querySelectorAll('.fc-tiles dd span')]"
        ".reduce((sum, tile) => sum + Number(tile.innerText), 0)",
        arg=143,
    )
    panel.set_count(143)
    assert (panel.tile("kept"), panel.tile("uncovered")) == (143, 0)
    panel.part("show-kept").click()
    app.wait_for_grid_count(143)
    app.clear_view()
    bare.delete_brain_run("cs")
    panel.part("reload").click()
    panel.page.get_by_text("The run 'cs' was deleted.").first.wait_for()
    panel.ready()
    assert panel.part("run").input_value() == "other"
    bare.delete_brain_run("other")
    panel.part("reload").click()
    panel.part("empty").wait_for()
    assert app.errors == []


def test_run_without_a_map_is_explained(app, bare):
    fc.compute_coreset(bare, "emb", "flat", method="zcore", n_draws=500, projection=None, progress=False)
    panel = Panel(app, bare)
    panel.page.get_by_text("has no map").wait_for()
    assert app.errors == []


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


CUT = """() => {
  const root = document.querySelector(".fc-root"), frame = root.getBoundingClientRect(), found = [];
  for (const element of root.querySelectorAll("button, b, dt, dd, th, td, h3, label, .fc-swatch, .fc-unit")) {
    const box = element.getBoundingClientRect();
    if (!box.width) continue;
    if (box.left < frame.left - 1 || box.right > frame.right + 1) found.push("outside: " + element.innerText);
    if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth) found.push("cut: " + element.innerText);
  }
  const floating = [...root.querySelectorAll(".fc-toolbar, .fc-colorby, .fc-legend, .fc-caption, .fc-top > *")];
  for (const [i, a] of floating.entries()) for (const b of floating.slice(i + 1)) {
    const [p, q] = [a.getBoundingClientRect(), b.getBoundingClientRect()];
    if (p.left < q.right && q.left < p.right && p.top < q.bottom && q.top < p.bottom)
      found.push("overlap: " + a.className + " " + b.className);
  }
  return found;
}"""


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
