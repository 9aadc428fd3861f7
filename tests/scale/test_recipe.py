"""All steps of a run in one file."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from fiftyone_coreset.plugin import scale
from fiftyone_coreset.plugin.errors import CoresetError

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib")

RECIPE = """
out = "run"

[plan]
source = "vectors.parquet"
id_column = "id"
uri_column = "uri"
vector_column = "vector"
rows_per_unit = 30

[embed]

[score]
n_draws = 1_000

[select]
method = "zcore"
keep = "50%"
preselected = "ids.txt"

[import]
dataset = "kept"
projection = "pca"
"""


def test_a_recipe_is_its_steps(write_vectors, dataset, tmp_path):
    import fiftyone as fo

    write_vectors(np.random.default_rng(0).normal(size=(80, 5)))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (tmp_path / "ids.txt").write_text("71\n5\n")
    planned = scale.run_recipe(tmp_path / "recipe.toml")[0]
    assert str(planned) == f"{tmp_path / 'run'}: 80 rows of {tmp_path / 'vectors.parquet'} in 3 units"
    assert scale.read_ranking(tmp_path / "run", "zcore")["id"].to_pylist()[:2] == [71, 5]
    assert fo.load_dataset("kept").sort_by("coreset_rank").values("scale_id") == (
        scale.read_ranking(tmp_path / "run", "zcore")["id"].to_pylist()
    )
    before = fo.load_dataset("kept").get_brain_info("coreset").timestamp
    scale.run_recipe(tmp_path / "recipe.toml")  # everything is there
    assert fo.load_dataset("kept").get_brain_info("coreset").timestamp == before


def test_what_is_refused(tmp_path):
    for text, message in (
        ("out = ", "cannot be read"),
        ("", "does not say out"),
        ("out = 'run'\n[rank]", "has 'rank', but its sections are plan, embed"),
        ("out = 'run'\n[embed]\nunits = '1/2'", "embed has no argument 'units'; it takes batch_size, "),
        ("out = 'run'\n[plan]", "plan needs source"),
    ):
        (tmp_path / "recipe.toml").write_text(text)
        with pytest.raises(CoresetError, match=message):
            scale.run_recipe(tmp_path / "recipe.toml")
