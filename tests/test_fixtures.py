"""The fixtures keep the tests away from the user's own FiftyOne."""

import os
from pathlib import Path

import pytest


def test_fiftyone_is_private(mongod, pytestconfig):
    import fiftyone as fo

    assert fo.config.database_uri == mongod
    assert fo.config.database_name == "coreset_tests"
    home = pytestconfig.fiftyone_home
    for folder in (fo.config.database_dir, fo.config.default_dataset_dir, fo.config.plugins_dir):
        assert Path(folder).is_relative_to(home)
    assert not Path(os.environ["FIFTYONE_CONFIG_PATH"]).exists()


@pytest.mark.parametrize("turn", [1, 2])
def test_datasets_do_not_outlive_their_test(dataset, image_folder, turn):
    import fiftyone as fo

    assert "kept" not in fo.list_datasets()
    paths = image_folder(n=3)
    made = dataset(paths, name="kept")
    assert made.values("filepath") == [str(path) for path in paths]
