"""The Coreset panel in a page of the App, and runs for it."""

import json
import re

import fiftyone_coreset as fc

N = 150
MAP = '[data-cy="coreset-map"]'

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
