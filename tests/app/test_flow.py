"""The main job clicked through in the App: embed, score, create a view, and see the grid follow."""

from __future__ import annotations

import fiftyone_coreset as fc
import numpy as np
import pytest

pytestmark = pytest.mark.app

#: Long enough for a cold start of torch and umap on a busy machine.
SLOW = 240_000


def _fill(form, label, value):
    """Types into the field under a label."""
    field = form.locator(".MuiGrid-item", has_text=label).last.locator("input").first
    field.fill(value)
    field.press("Tab")


def _execute(app):
    app.page.get_by_role("button", name="Execute").click()


def _wait_for_toast(app, text):
    app.page.locator("[role=alert], .MuiSnackbar-root", has_text=text).first.wait_for(timeout=SLOW)


def _close(app, name="Done"):
    app.page.get_by_role("button", name=name).click()
    app.page.locator('[data-cy="operators-prompt-view-modal"]').wait_for(state="detached")


def test_embed_score_and_create_a_view(app, dataset, image_folder):
    made = dataset(image_folder(n=20))
    made.persistent = True
    app.open(made)
    app.wait_for_grid_count(20)

    form = app.open_operator("Compute CLIP embeddings")
    _fill(form, "CLIP model", "coreset-mini")
    app.screenshot("flow-1-embed")
    _execute(app)
    _wait_for_toast(app, "20 of 20 images embedded with coreset-mini")
    _close(app)

    app.open_operator("Compute coreset scores")
    app.screenshot("flow-2-score")
    _execute(app)
    _wait_for_toast(app, "Ranked 20 by auto as run 'coreset'")
    app.screenshot("flow-3-scored")
    _close(app)
    # The sidebar shows the new fields without a reload of the page.
    app.page.get_by_text("coreset_rank").first.wait_for()

    form = app.open_operator("Create coreset view")
    _fill(form, "Budget", "30%")
    form.get_by_text("Keeps 6 of 20 images").wait_for()
    _fill(form, "Name of the view", "first six")
    app.screenshot("flow-4-view")
    _execute(app)
    app.page.get_by_text("Saved the view 'first six': 6 of 20.").wait_for()
    _close(app, "Close")
    app.wait_for_grid_count(6)
    app.screenshot("flow-5-grid")

    made.reload()
    assert set(made.load_saved_view("first six").values("coreset_rank")) == set(range(6))
    assert len(fc.load_run(made, "coreset")) == 20
    assert app.errors == []


def test_errors_are_seen(app, dataset):
    """All images are missing: the operator must say so, not just stop."""
    made = dataset([f"/nowhere/{name}.png" for name in "abc"])
    made.persistent = True
    app.open(made)

    form = app.open_operator("Compute CLIP embeddings")
    _fill(form, "CLIP model", "coreset-mini")
    _execute(app)
    _wait_for_toast(app, "3 missing")
    dialog = app.page.locator('[data-cy="operators-prompt-view-modal"]')
    dialog.get_by_text("Could not finish").wait_for()
    assert "3 missing" in dialog.inner_text()
    app.screenshot("flow-error")
    _close(app)

    app.open_operator("Compute coreset scores")
    app.page.get_by_text("run 'Compute CLIP embeddings' first").wait_for()
    app.screenshot("flow-refused")
    assert not app.page.get_by_role("button", name="Execute").is_enabled()


def test_a_computation_is_cancelled(app, dataset, image_folder):
    """Draws that would take minutes are stopped by the button beside their progress, and nothing is left of them."""
    made = dataset(image_folder(n=20))
    made.set_values("clip_embeddings", list(np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)))
    made.persistent = True
    app.open(made)

    form = app.open_operator("Compute coreset scores")
    form.get_by_text("auto:").click()
    app.page.get_by_role("option", name="zcore:").click()
    form.locator(".MuiGrid-item", has_text="Advanced settings").last.locator("input").first.click()
    _fill(form, "Draws", "100000000")
    _execute(app)
    dialog = app.page.locator('[data-cy="operators-prompt-view-modal"]')
    dialog.get_by_text("of 100,000,000 draws").wait_for(timeout=SLOW)
    app.screenshot("flow-cancel")
    dialog.get_by_role("button", name="Cancel").click()
    _wait_for_toast(app, "Compute coreset scores was cancelled. Nothing was written.")
    app.screenshot("flow-cancelled")
    _close(app)

    made.reload()
    assert made.list_brain_runs() == []
    assert app.errors == []
