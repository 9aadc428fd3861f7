"""Labelling rounds in the Coreset panel of the real App: timeline, curve, advice, weak spots."""

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

pytestmark = pytest.mark.app

N, TEST, BATCH = 200, 50, 20


@pytest.fixture
def labelled(dataset, tmp_path):
    """200 handwritten digits with a run, 50 of them test images, two recorded rounds, and a third half labelled."""
    digits = load_digits()
    paths = [tmp_path / f"{row:03d}.png" for row in range(N)]
    for path, pixels in zip(paths, digits.images, strict=False):
        Image.fromarray((pixels * 15).astype(np.uint8)).resize((64, 64)).save(path)
    made = dataset(paths)
    made.set_values("emb", list(digits.data[:N].astype(np.float32)))
    truth = dict(zip(made.values("id"), map(str, digits.target), strict=False))

    def label(view):
        made.set_values(
            "digit", {row: fo.Classification(label=truth[row]) for row in view.values("id")}, key_field="id"
        )

    label(fc.reserve_test(made, size=TEST))
    for number in (1, 2, 3):
        batch = fc.next_batch(made, budget=BATCH, label_field="digit", embeddings="emb", progress=False)
        label(batch.view if number < 3 else batch.view.limit(BATCH // 2))
        if number < 3:
            fc.record_round(made, progress=False)
    fc.compute_coreset(made, "emb", "cs", method="random", projection="pca", progress=False)
    return made


@pytest.fixture
def unlearned(dataset, image_folder):
    """48 images of which 24 look alike and carry any label; two rounds have not changed that."""
    made = dataset(image_folder(n=48))
    rng = np.random.default_rng(0)
    vectors = 2 * np.eye(4)[np.arange(48) % 3] + rng.normal(scale=0.05, size=(48, 4))
    vectors[:24] = np.eye(4)[3]
    made.set_values("emb", list(vectors.astype(np.float32)))
    truth = dict(
        zip(made.values("id"), (f"x{row % 5}" if row < 24 else "abc"[row % 3] for row in range(48)), strict=True)
    )

    def label(ids):
        made.set_values("kind", {row: fo.Classification(label=truth[row]) for row in ids}, key_field="id")

    ids = made.values("id")
    label(ids[:12] + ids[24:36])
    for _ in range(2):
        label(fc.next_batch(made, budget=3, label_field="kind", embeddings="emb", progress=False).ids.tolist())
        fc.record_round(made, progress=False)
    return made


def test_what_is_not_learned_is_left_out(app, unlearned):
    def part(name):
        return app.page.locator(f'[data-cy="coreset-{name}"]')

    places = [place for place, spot in enumerate(fc.load_rounds(unlearned).weak_spots().spots) if spot.not_learned]
    n = len(fc.load_rounds(unlearned).weak_spots().spots[places[0]].ids)
    app.open(unlearned)
    app.open_panel("coreset")
    offer = part(f"leave-out-{places[0]}")
    offer.wait_for()
    assert app.page.locator("[data-cy^=coreset-leave-out-][data-cy$=-skip]").count() == len(places)
    assert f"tag {n} images" in offer.inner_text()
    app.screenshot("rounds-not-learned")
    part(f"leave-out-{places[0]}-off_topic").click()
    offer.get_by_text(f"{n} tagged off_topic, not asked for again.").wait_for()
    app.screenshot("rounds-left-out")
    assert len(unlearned.match_tags("off_topic")) == n
    offer.get_by_role("button", name="Undo").click()
    part(f"leave-out-{places[0]}-off_topic").wait_for()
    assert len(unlearned.match_tags("off_topic")) == 0
    assert app.errors == []


def test_rounds_are_looked_at_and_weak_spots_open(app, labelled):
    def part(name):
        return app.page.locator(f'[data-cy="coreset-{name}"]')

    app.page.set_viewport_size({"width": 1600, "height": 1000})
    app.open(labelled)
    app.open_panel("coreset")
    part("turn-to-rounds").click()
    part("learning-point").nth(1).wait_for()
    assert part("learning-point").count() == 2
    rounds = fc.load_rounds(labelled)
    drawn = part("learning-curve").get_attribute("aria-label")
    for entry in rounds.history[:2]:
        assert f"{100 * entry.metrics['accuracy'].value:.1f} % with {entry.n_labels_after} labels" in drawn
    assert "10 of 20 labelled" in part("round-3").inner_text()
    assert "open" in part("round-3").inner_text()
    assert "uherding" in part("round-2").inner_text()
    assert part("advice").locator("li").count() == 3
    assert part("covered").inner_text().count("%") == 2, "one share a recorded round"
    assert part("color").input_value() == "rounds:rounds:round"
    part("legend").get_by_text("round 3").wait_for()  # the colouring comes after its name
    spot = part("spot-0")
    spot.wait_for()
    app.page.wait_for_timeout(500)
    app.screenshot("rounds-panel-dark")
    app.page.get_by_role("button", name="Light mode").first.click()
    app.page.wait_for_selector(".fc-root.fc-light")
    part("color").select_option("rounds:rounds:uncertainty")
    part("legend").get_by_text("Uncertainty").wait_for()
    app.page.wait_for_timeout(500)
    app.screenshot("rounds-panel-light")

    spot.click()
    weakest = rounds.weak_spots().spots[0]
    app.wait_for_grid_count(len(weakest.ids))
    part("round-2").click()
    app.wait_for_grid_count(BATCH)
    part("record-round").click()
    app.page.get_by_text("Round 3: 10 of 20 labelled").first.wait_for()
    app.page.get_by_role("button", name="Execute").click()
    app.page.get_by_text("Round 3 by uherding: 10 of 20 labelled").first.wait_for(timeout=240_000)
    app.page.get_by_role("button", name="Done").click()
    part("round-3").get_by_text("open", exact=True).wait_for(state="detached")  # the panel looked again
    assert app.errors == []
