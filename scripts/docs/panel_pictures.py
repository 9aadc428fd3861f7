"""The README's animation and the pictures of the panel, taken in the real App.

``python -m scripts.docs.panel_pictures CALTECH101`` writes ``docs/images/panel.webp`` and ``docs/images/panel-*.png``;
the argument is the unpacked folder of classes.
"""

import io
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from fiftyone_coreset.demo.database import running_mongod
from fiftyone_coreset.demo.environment import use_private_fiftyone
from fiftyone_coreset.demo.plugin_link import link_plugin
from PIL import Image

from tests.support import app_server

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
SIZE = {"width": 1280, "height": 800}
#: The animation's width in pixels, its quality, and its largest size in bytes.
WIDTH, QUALITY, LARGEST = 960, 60, 2_000_000


class Film:
    """Frames of a page, each with the milliseconds it stays."""

    def __init__(self, page):
        self.page, self.frames, self.durations = page, [], []

    def shot(self, stays):
        """Adds what the page shows now."""
        frame = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        self.frames.append(frame.resize((WIDTH, frame.height * WIDTH // frame.width), Image.Resampling.LANCZOS))
        self.durations.append(stays)

    def save(self, path):
        """Writes the animation."""
        first, *others = self.frames
        first.save(
            path, save_all=True, append_images=others, duration=self.durations, loop=0, quality=QUALITY, method=6
        )
        size, seconds = path.stat().st_size, sum(self.durations) / 1000
        print(f"{path.name}: {len(self.frames)} frames, {seconds:.1f} s, {size:,} bytes")
        assert size < LARGEST


def part(page, name):
    return page.locator(f'[data-cy="coreset-{name}"]')


def drawn(page):
    """Waits until the map is drawn and what it covers is measured."""
    page.wait_for_selector('[data-cy="coreset-map"][data-drawn]')
    part(page, "tile-kept").wait_for()
    page.locator('[data-cy="coreset-report"][aria-busy="false"]').wait_for()
    page.wait_for_timeout(1500)


def around_densest(page, corners=9, radius=55):
    """Places in the window around the densest part of the map, whose layout differs between machines."""
    shown = part(page, "map")
    box, image = shown.bounding_box(), Image.open(io.BytesIO(shown.screenshot())).convert("HSV")
    colourful = np.asarray(image)[80:-80, :, 1] > 128
    counts, ys, xs = np.histogram2d(*np.nonzero(colourful), bins=(4, 8))
    row, column = np.unravel_index(counts.argmax(), counts.shape)
    x = box["x"] + xs[column : column + 2].mean()
    y = box["y"] + 80 + ys[row : row + 2].mean()
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return [(x + radius * np.cos(angle), y + radius * np.sin(angle)) for angle in angles]


def act_out(page, film):
    """Opens the panel, moves the budget, draws a region, looks at copies, and saves a view."""
    film.shot(900)
    page.locator('[data-cy="new-panel-btn"]').first.click()
    option = page.locator('[data-cy="new-panel-option-coreset"]')
    option.hover()
    film.shot(900)
    option.click()
    drawn(page)
    film.shot(1800)
    slider = part(page, "slider")
    slider.focus()
    for step in range(12):
        for _ in range(8):
            slider.press("ArrowRight" if step < 8 else "ArrowLeft")
        film.shot(160)
    drawn(page)
    film.shot(1300)
    part(page, "tool-lasso").click()
    places = around_densest(page)
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=5)
        film.shot(140)
    page.mouse.up()
    part(page, "leave").wait_for()
    page.wait_for_timeout(3000)
    film.shot(1700)
    part(page, "leave").click()
    part(page, "leave").wait_for(state="detached")
    part(page, "tool-pan").click()
    part(page, "show-redundant").click()
    part(page, "tile").nth(5).wait_for()
    page.wait_for_timeout(2000)
    film.shot(1600)
    for key in ("ArrowDown", "ArrowRight", "k"):
        part(page, "groups").press(key)
        page.wait_for_timeout(1000)
        film.shot(600)
    part(page, "back").click()
    drawn(page)
    part(page, "create-view").click()
    form = page.locator('[data-cy="operators-prompt-modal"]')
    form.get_by_role("button", name="Execute").wait_for()
    page.wait_for_timeout(1000)
    film.shot(1500)
    form.get_by_role("button", name="Execute").click()
    page.get_by_text("Saved the view").first.wait_for()
    page.wait_for_timeout(1000)
    film.shot(1200)
    form.get_by_role("button", name="Close").click()
    drawn(page)
    film.shot(1800)


def stills(page):
    """The panel beside the whole grid in both themes."""
    page.set_viewport_size({"width": 1360, "height": 940})
    page.locator('[data-cy="btn-clear-view-bar"]').click()
    part(page, "percent").fill("10")
    part(page, "percent").blur()
    part(page, "caption").get_by_text("in view").wait_for(state="detached")
    drawn(page)
    page.wait_for_timeout(4000)
    page.screenshot(path=IMAGES / "panel-dark.png")
    page.get_by_role("button", name="Light mode").first.click()
    page.wait_for_selector(".fc-root.fc-light")
    page.wait_for_timeout(4000)
    page.screenshot(path=IMAGES / "panel-light.png")
    page.get_by_role("button", name="Dark mode").first.click()


def rounds_still(page):
    """The rounds of the panel, where it is wide."""
    page.set_viewport_size({"width": 2200, "height": 1080})
    drawn(page)
    part(page, "turn-to-rounds").click()
    part(page, "spots").locator("table").wait_for()
    page.wait_for_timeout(2000)
    page.locator(".fc-root").screenshot(path=IMAGES / "panel-rounds.png")


def open_app(browser, url, dataset):
    page = browser.new_context(viewport=SIZE).new_page()
    page.set_default_timeout(120_000)
    page.add_init_script("window.IS_PLAYWRIGHT = true")
    page.goto(f"{url}/datasets/{dataset.name}")
    page.wait_for_selector('[data-cy="fo-grid"]')
    page.wait_for_timeout(4000)
    return page


def main(source):
    """Makes the dataset, starts the App, and takes all pictures."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        use_private_fiftyone(home)
        os.environ["HF_HUB_OFFLINE"] = "1"
        link_plugin(Path(os.environ["FIFTYONE_PLUGINS_DIR"]))
        with running_mongod(home):
            from .photographs import label_rounds, photographs

            dataset = photographs(source, home / "photographs")
            with app_server.running_server(home / "server.log") as url, sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=app_server.CHROMIUM_ARGS
                )
                page = open_app(browser, url, dataset)
                film = Film(page)
                act_out(page, film)
                film.save(IMAGES / "panel.webp")
                stills(page)
                page.close()
                label_rounds(dataset)
                rounds_still(open_app(browser, url, dataset))
                browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
