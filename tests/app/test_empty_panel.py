"""What the panel offers where there is no run."""

from types import SimpleNamespace

import fiftyone as fo
import numpy as np
from fiftyone.operators.executor import ExecutionContext, Executor
from fiftyone_coreset.panels.coreset import CoresetPanel


def test_the_empty_panel_offers_embeddings_wherever_they_are_and_no_fingerprints(dataset):
    import fiftyone.brain as fob

    made = dataset([f"/nowhere/{row}.png" for row in range(6)])

    def offered():
        ctx = ExecutionContext({"dataset_name": made.name, "view": [], "params": {}}, Executor())
        ctx._panel = SimpleNamespace(get_state=lambda name: None)
        return CoresetPanel().load_runs(ctx)["embeddings"]

    made.add_sample_field("coreset_fingerprint", fo.VectorField)
    assert offered() == []
    made.set_values("numbers", [[float(row), 1.0] for row in range(6)])
    vectors = np.random.default_rng(0).normal(size=(6, 4))
    fob.compute_similarity(made, embeddings=vectors, brain_key="index", backend="sklearn", model=None)
    assert offered() == ["numbers", "index"]


def test_the_empty_panel_begins_with_objects_where_they_alone_have_embeddings(dataset):
    made = dataset([f"/nowhere/{row}.png" for row in range(3)])
    made.set_values(
        "boxes", [fo.Detections(detections=[fo.Detection(label="a", emb=[1.0, float(row)])]) for row in range(3)]
    )
    made.add_sample_field("boxes.detections.emb", fo.VectorField)
    prompts, ctx = [], ExecutionContext({"dataset_name": made.name, "view": [], "params": {}}, Executor())
    ctx._panel = SimpleNamespace(get_state=lambda name: None)
    ctx.prompt = lambda uri, params=None, on_success=None: prompts.append((uri.rpartition("/")[2], params))
    panel = CoresetPanel()
    assert panel.load_runs(ctx)["embeddings"] == ["emb of 'boxes'"]
    panel.run_scores(ctx)
    made.set_values("emb", [[1.0, float(row)] for row in range(3)])
    assert panel.load_runs(ctx)["embeddings"] == ["emb", "emb of 'boxes'"]
    panel.run_scores(ctx)
    assert prompts == [("compute_coreset_scores", {"rows": "boxes"}), ("compute_coreset_scores", None)]
