"""Groups of near-duplicates side by side, in the real App: what a curator does with the keyboard."""

import fiftyone_coreset as fc
import images
import numpy as np
import pytest
from fiftyone_coreset.panels.group_events import TAG
from fiftyone_coreset.plugin.dataset.decisions import read_decisions
from PIL import Image

pytestmark = pytest.mark.app

#: Copies of the first pictures, the picture itself included; all others are single.
COPIES = (4, 3, 3)
PICTURES = 12


@pytest.fixture
def bursts(dataset, tmp_path):
    """12 pictures, the first three with slightly altered copies, embedded, with fingerprints and a run."""
    paths, vectors = [], []
    rng = np.random.default_rng(0)
    for number, path in enumerate(images.write_images(tmp_path, PICTURES, size=(96, 72))):
        center = rng.normal(size=16)
        for copy in range(COPIES[number] if number < len(COPIES) else 1):
            paths.append(tmp_path / f"{number:02d}-{copy}.jpg")
            with Image.open(path) as picture:
                picture.convert("RGB").crop((copy, copy, 96, 72)).save(paths[-1], quality=95 - 10 * copy)
            vectors.append(center + 0.01 * rng.normal(size=16))
    made = dataset(paths)
    made.set_values("emb", [vector.astype(np.float32) for vector in vectors])
    fc.compute_fingerprints(made, num_workers=0, progress=False)
    fc.compute_coreset(made, "emb", "cs", method="random", projection="pca", progress=False)
    return made


def test_groups_are_gone_through_with_the_keyboard(app, bursts):
    near = fc.near_duplicates(bursts, "emb").of_kind("exact", "near-copy")
    assert [len(group) for group in near.groups] == [4, 3, 3]

    def part(name):
        return app.page.locator(f'[data-cy="coreset-{name}"]')

    def press(*keys):
        for key in keys:
            part("groups").press(key)

    def told(words):
        part("told").get_by_text(words).wait_for()

    def row(number):
        return app.page.locator(f'[data-cy="coreset-group"][data-group="{number}"]')

    total = sum(COPIES) + PICTURES - len(COPIES)
    app.open(bursts)
    app.open_panel("coreset")
    part("show-redundant").click()
    part("tile").first.wait_for()
    assert part("tab-copies").inner_text().split() == ["Copies", "3"]
    assert part("group").count() == 3
    numbers = part("group").evaluate_all("rows => rows.map(row => Number(row.dataset.group))")
    assert sorted(numbers) == [0, 1, 2]
    first, other, third = (near.groups[number] for number in numbers)
    second = row(numbers[1]).locator('[data-cy="coreset-tile"]')
    second.nth(2).wait_for()
    shown = second.evaluate_all("tiles => tiles.map(tile => tile.dataset.id)")
    assert shown == other
    assert "pixels agree" in second.nth(1).inner_text()

    press("ArrowDown", "ArrowRight", "ArrowRight", "k")  # another one stays for the second group
    app.page.wait_for_function(
        """([group, id]) =>
            document.querySelector(`[data-group="${group}"] [data-cy="coreset-tile"]`)?.dataset.id === id""",
        arg=[numbers[1], shown[2]],
    )
    assert read_decisions(bursts).representatives == (shown[2],)
    press("ArrowDown", "n")  # the third is none
    told("no copies of each other")
    row(numbers[2]).wait_for(state="detached")
    a, b, c = third
    assert set(read_decisions(bursts).distinct_pairs()) == {(a, b), (a, c), (b, c)}

    press("Home", "t")
    told("Tagged 3 images")
    bursts.reload()
    assert set(bursts.match_tags(TAG).values("id")) == set(first[1:])
    row(numbers[0]).get_by_text("tagged", exact=True).nth(2).wait_for()
    app.screenshot("redundant")
    press("u")
    told("Removed the tag")
    bursts.reload()
    assert bursts.count_sample_tags() == {}

    press("ArrowDown", "h")
    told("Hidden: 2 images")
    app.wait_for_grid_count(total - 2)
    press("u")
    told("Removed the tag")
    app.wait_for_grid_count(total)

    press("Home", " ", "ArrowDown", " ", "d")  # both groups, tagged before anything is deleted
    part("confirm").get_by_text("5 images").first.wait_for()
    assert bursts.count("id") == total
    part("delete").click()
    told("Deleted 5 images")
    app.wait_for_grid_count(total - 5)
    part("groups").get_by_text("No copies were found.").wait_for()
    bursts.reload()
    assert shown[2] in bursts.values("id"), "what was chosen to stay is left"
    press("Escape")
    app.page.get_by_text(f"{total - 5} of {total} images left").wait_for()
    assert app.errors == []
