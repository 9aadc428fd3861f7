"""CLIP-powered selection and suspicious labels clicked through in the App, on digits embedded by the bundled CLIP."""

from __future__ import annotations

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

pytestmark = pytest.mark.app

#: Long enough for a cold start of torch on a busy machine.
SLOW = 240_000
NUMERALS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
N = 80
WRONG = set(range(0, N, 10))


@pytest.fixture
def digits(dataset, tmp_path):
    """80 handwritten digits that the bundled CLIP was not trained on, embedded by it; every tenth label is wrong."""
    source = load_digits()
    held_out = np.flatnonzero(np.arange(len(source.images)) % 5 == 4)[:N]
    paths = [tmp_path / f"{number:03d}.png" for number in range(N)]
    for path, row in zip(paths, held_out, strict=True):
        pixels = np.clip(source.images[row] * 16, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).resize((64, 64), Image.Resampling.BICUBIC).convert("RGB").save(path)
    made = dataset(paths)
    truth = source.target[held_out]
    given = [(digit + 3) % 10 if row in WRONG else digit for row, digit in enumerate(truth)]
    made.set_values("truth", [NUMERALS[digit] for digit in truth])
    made.set_values("ground_truth", [fo.Classification(label=str(digit)) for digit in given])
    fc.compute_embeddings(made, model="coreset-mini", progress=False)
    made.persistent = True
    return made


def _input(form, label):
    return form.locator(".MuiGrid-item:has(input, textarea)", has_text=label).last.locator("input, textarea").first


def _type(form, label, value):
    field = _input(form, label)
    field.fill(value)
    field.press("Tab")


def _choose(app, form, label, option):
    form.locator(".MuiGrid-item", has_text=label).last.get_by_role("combobox").click()
    app.page.get_by_role("option", name=option).click()


def _execute(app, expected):
    app.page.get_by_role("button", name="Execute").click()
    app.page.locator("[role=alert], .MuiSnackbar-root", has_text=expected).first.wait_for(timeout=SLOW)


def _close(app):
    app.page.get_by_role("button", name="Done").click()
    app.page.locator('[data-cy="operators-prompt-view-modal"]').wait_for(state="detached")


NAMES = "\n".join(f"{digit}: {name}" for digit, name in enumerate(NUMERALS))


def test_suspicious_labels_open_in_the_grid(app, digits):
    app.open(digits)
    app.wait_for_grid_count(N)
    form = app.open_operator("Find suspicious labels")
    _type(form, "Label field", "ground_truth")
    form.get_by_text("10 of 10 labels have no words a text model could know").first.wait_for()
    _type(form, "What the classes are called", NAMES)
    _type(form, "Prompts", "a photo of a digit {}")
    app.screenshot("suspicious-1-form")
    _execute(app, "Saved the view 'suspicious'")
    _close(app)

    digits.reload()
    found = digits.load_saved_view("suspicious")
    assert 0 < len(found) < N / 2
    app.wait_for_grid_count(len(found))
    app.page.wait_for_timeout(1500)
    app.screenshot("suspicious-2-grid")
    ids = digits.values("id")
    first = [ids.index(row) for row in found.values("id")][: len(WRONG)]
    assert len(WRONG & set(first)) >= len(WRONG) - 2  # the worst first, and the worst are those that were planted
    hits = found.select([ids[row] for row in WRONG])
    suggested = zip(hits.values("suspicious_class"), hits.values("truth"), strict=True)
    assert sum(NUMERALS[int(digit)] == truth for digit, truth in suggested) >= len(WRONG) - 2

    # A view of this name is kept unless the box is ticked.
    app.clear_view()
    app.wait_for_grid_count(N)
    form = app.open_operator("Find suspicious labels")
    _type(form, "Label field", "ground_truth")
    _type(form, "What the classes are called", NAMES)
    form.get_by_text("'suspicious' exists; choose another name or tick 'Overwrite'").first.wait_for()
    app.screenshot("suspicious-3-refused")
    assert not app.page.get_by_role("button", name="Execute").is_enabled()
    assert app.errors == []


def test_clip_powered_from_its_form_to_the_map(app, digits):
    app.open(digits)
    app.wait_for_grid_count(N)
    form = app.open_operator("Compute coreset scores")
    _choose(app, form, "Method", "clip_powered")
    form.get_by_text("Choose the label field").first.wait_for()
    _type(form, "Label field", "ground_truth")
    _type(form, "What the classes are called", NAMES)
    _type(form, "Prompts", "a photo of a digit {}")
    _choose(app, form, "Adaptation to this dataset", "Off")
    _choose(app, form, "Share of each class", "The same for every class")
    app.screenshot("clip-powered-1-form")
    _execute(app, f"Ranked {N} by clip_powered as run 'coreset'")
    _close(app)

    digits.reload()
    results = fc.load_run(digits, "coreset")
    kwargs = results.config.method_kwargs
    assert (kwargs["adapter"], kwargs["balance"], kwargs["templates"]) == ("none", "uniform", ["a photo of a digit {}"])
    assert kwargs["class_names"] == {str(digit): name for digit, name in enumerate(NUMERALS)}
    ids = digits.values("id")
    kept = {ids.index(row) for row in results.view(N // 2).values("id")}
    assert len(kept & WRONG) <= 1

    panel = app.open_panel("coreset")
    app.page.wait_for_selector('[data-cy="coreset-map"][data-drawn]')
    color = panel.locator('[data-cy="coreset-color"]')
    offered = color.locator("option").evaluate_all("found => found.map(option => option.value)")
    assert {"score", "alignment", "diversity", "suspicion"} <= set(offered)
    for figure in ("alignment", "diversity", "suspicion"):
        color.select_option(figure)
        app.page.wait_for_timeout(500)
    app.screenshot("clip-powered-2-map")
    assert app.errors == []
