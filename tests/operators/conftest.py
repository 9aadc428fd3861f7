"""The operators as FiftyOne loads them: this checkout as a plugin, nothing installed for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fiftyone_coreset.demo.plugin_link import link_plugin


def _in_a_thread(function, *arguments, **options):
    """Calls where no event loop runs: beside one, such as the browser's, FiftyOne would only schedule the operator."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(function, *arguments, **options).result()


@pytest.fixture
def execute(mongod, pytestconfig):
    """A function ``execute(operator, dataset, view=None, delegate=False, **params)``: as the SDK runs it."""
    import fiftyone.operators as foo

    link_plugin(Path(pytestconfig.fiftyone_home) / "plugins")

    def run(operator, dataset, view=None, delegate=False, **params):
        ctx = {"dataset": dataset, "view": view, "params": params}
        uri = f"@fiftyone-coreset/coreset/{operator}"
        return _in_a_thread(foo.execute_operator, uri, ctx, request_delegation=delegate).result

    return run


@pytest.fixture
def form(shown):
    """A function ``form(operator, dataset, **params)``: the red notices that a form shows for these parameters."""
    return lambda *form, **params: [view["description"] for view in shown("Error", *form, **params)]


@pytest.fixture
def shown(mongod, pytestconfig):
    """A function ``shown(kind, operator, dataset, **params)``: the parts of one kind that a form shows."""
    import asyncio

    from fiftyone.operators.executor import resolve_type
    from fiftyone.operators.registry import OperatorRegistry

    link_plugin(Path(pytestconfig.fiftyone_home) / "plugins")

    def parts(kind, operator, dataset, **params):
        request = {"dataset_name": dataset.name, "params": params, "target": "inputs", "view": []}
        resolving = resolve_type(OperatorRegistry(), f"@fiftyone-coreset/coreset/{operator}", request)
        resolved = _in_a_thread(asyncio.run, resolving)
        properties = resolved.to_json()["type"]["properties"]
        return [p["view"] for p in properties.values() if p["view"].get("name") == kind]

    return parts


@pytest.fixture
def embedded(dataset):
    """A dataset of 30 samples with the vector field "clip_embeddings"."""
    made = dataset([f"/nowhere/{row:04d}.png" for row in range(30)])
    made.set_values("clip_embeddings", list(np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)))
    made.persistent = True
    return made


@pytest.fixture
def ranked_kinds(dataset, image_folder):
    """Twelve real images of two kinds, ranked, and what each file shows."""
    import fiftyone_coreset as fc

    made = dataset(image_folder(12))
    made.set_values("emb", [[row % 2, row / 10] for row in range(12)])
    fc.compute_coreset(made, "emb", method="kcenter", projection=None, progress=False)
    return made, {Path(path).name: ("cat", "dog")[row % 2] for row, path in enumerate(made.values("filepath"))}
