"""The App opens on a dataset, with this checkout as its plugin and nothing wrong in the console."""

import pytest

pytestmark = pytest.mark.app


def test_app_shows_the_dataset(app, dataset, image_folder):
    app.open(dataset(image_folder(n=7)))
    app.wait_for_grid_count(7)
    assert app.errors == []
