"""The Coreset panel in the real App where there is no run, one that changed, or several."""

import fiftyone as fo
import fiftyone_coreset as fc
import pytest
from coreset_data import embedded, repeated
from panel_page import CUT, MAP, N, Panel, score

pytestmark = pytest.mark.app


@pytest.fixture
def bare(dataset, image_folder):
    """150 images with embeddings in ``emb``."""
    return embedded(dataset(repeated(image_folder(n=5), N)))


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


def test_a_look_for_runs_that_fails_leaves_the_panel_as_it_is(app, bare):
    score(bare)
    panel = Panel(app, bare).ready()

    def fail(route):
        if "load_runs" not in route.request.post_data:
            return route.continue_()
        answer = route.fetch()
        return route.fulfill(response=answer, json=answer.json() | {"result": {"error": "The database is away."}})

    app.page.route("**/operators/execute", fail)
    panel.part("reload").click()
    panel.page.get_by_text("The database is away.").wait_for()
    panel.set_count(30)
    assert panel.tile("kept") == 30
    app.page.unroute("**/operators/execute")
    panel.part("reload").click()
    panel.page.get_by_text("The database is away.").wait_for(state="detached")
    assert app.errors == []
