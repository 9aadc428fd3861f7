"""Labelling rounds clicked through in the App: reserve, select, label, record, twice; then the curve."""

from __future__ import annotations

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest

pytestmark = pytest.mark.app

#: Long enough for a cold start of numba and scikit-learn on a busy machine.
SLOW = 240_000


def _fill(form, label, value):
    """Types into the field under a label."""
    field = form.locator(".MuiGrid-item", has_text=label).last.locator("input").first
    field.fill(value)
    field.press("Tab")


def _execute(app):
    app.page.get_by_role("button", name="Execute").click()


def _close(app, text, name):
    """Waits for a message, and closes what shows it."""
    app.page.get_by_text(text).first.wait_for(timeout=SLOW)
    app.page.get_by_role("button", name=name).click()
    app.page.locator('[data-cy="operators-prompt-view-modal"]').wait_for(state="detached")


@pytest.mark.parametrize("by", ["tags", "sdk"])
def test_two_rounds_and_two_points_on_the_curve(app, dataset, image_folder, by):
    """Labels are tags that the form turns into labels, or classifications that a script writes."""
    made = dataset(image_folder(n=24))
    made.persistent = True
    classes = np.arange(24) % 2
    vectors = 2 * np.eye(4)[classes] + np.random.default_rng(0).normal(scale=0.3, size=(24, 4))
    made.set_values("clip_embeddings", list(vectors.astype(np.float32)))
    shown = dict(zip(made.values("id"), (("cat", "dog")[number] for number in classes), strict=True))

    def label(view):
        if by == "sdk":
            labels = {row_id: fo.Classification(label=shown[row_id]) for row_id in view.values("id")}
            made.set_values("ground_truth", labels, key_field="id")
            return
        for name in ("cat", "dog"):
            view.select([row_id for row_id in view.values("id") if shown[row_id] == name]).tag_samples(name)

    app.open(made)
    app.wait_for_grid_count(24)
    form = app.open_operator("Reserve test images")
    _fill(form, "Test images", "6")
    _execute(app)
    _close(app, "6 test images carry the tag 'test'", "Done")
    app.wait_for_grid_count(6)
    label(made.match_tags("test"))

    for number in (1, 2):
        app.clear_view()
        app.wait_for_grid_count(24)
        form = app.open_operator("Select next batch")
        _fill(form, "Images to label", "4")
        _execute(app)
        _close(app, f"Round {number}: 4 of {18 - 4 * (number - 1)} images were chosen", "Done")
        app.wait_for_grid_count(4)
        made.reload()
        label(made.load_saved_view(f"rounds round {number}"))
        form = app.open_operator("Record labelling round")
        form.get_by_text(f"Round {number}: {4 if by == 'sdk' else 0} of 4 labelled").wait_for()
        if by == "tags":
            _fill(form, "Tags that are labels", "cat, dog")
        _execute(app)
        _close(app, f"Round {number} by ", "Done")

    form = app.open_operator("Learning curve")
    _fill(form, "Target", "0.9")
    _execute(app)
    app.page.get_by_text("accuracy of the light head over 2 rounds.").wait_for(timeout=SLOW)
    app.page.locator(".js-plotly-plot .scatterlayer .points path").nth(1).wait_for()
    app.screenshot("rounds-3-curve")

    rounds = fc.load_rounds(made)
    assert rounds.curve().n_labels.tolist() == [4, 8]
    assert [entry.n_returned for entry in rounds.history] == [4, 4]
    assert app.errors == []
