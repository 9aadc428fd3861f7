"""CLIP-powered runs and suspicious labels on a dataset: the model of the field, labels, fields and views."""

from __future__ import annotations

import fiftyone_coreset as fc
import numpy as np
import pytest
import tiny_clip

CLASSES = ("cat", "sea_lake", "airplane")
FIELD = "emb"


@pytest.fixture(scope="session")
def spec(tmp_path_factory):
    """A random CLIP with weights in a file."""
    from fiftyone_coreset.plugin.embeddings.clip import resolve_clip

    folder = tmp_path_factory.mktemp("clip-powered")
    tiny_clip.register(folder)
    return resolve_clip(tiny_clip.NAME, checkpoint=tiny_clip.write_weights(folder / "weights.safetensors"))


@pytest.fixture(scope="session")
def texts(spec):
    """The text embedding of every class, from the model itself."""
    from fiftyone_coreset.plugin.embeddings.text import class_text_embeddings

    model, _, tokenizer = fc.load_clip(spec.model, checkpoint=spec.checkpoint, device="cpu")
    return class_text_embeddings(["cat", "sea lake", "airplane"], model, tokenizer, "{}")


def planted(texts, n, seed=0):
    """Vectors that agree with the text of their class and no other, and labels of which every tenth is wrong."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 3
    agreeing = np.linalg.pinv(texts.astype(float)).T
    agreeing /= np.linalg.norm(agreeing, axis=1, keepdims=True)
    vectors = agreeing[truth] + 0.06 * rng.standard_normal((n, texts.shape[1]))
    wrong = np.arange(n) % 10 == 0
    return vectors.astype(np.float32), np.where(wrong, (truth + 1) % 3, truth), wrong


def recorded(samples, spec):
    """Makes the field say which model it came from, as compute_embeddings does."""
    from dataclasses import asdict

    from fiftyone_coreset.plugin.dataset.rows import Rows

    rows = Rows(samples)
    field = rows.dataset.get_field(rows.path(FIELD))
    field.info = {"coreset_embedding": asdict(spec)}
    field.save()


@pytest.fixture
def labelled(dataset, spec, texts):
    """60 images with an embedding of the random CLIP and a label."""
    import fiftyone as fo

    made = dataset([f"/nowhere/{row:03d}.png" for row in range(60)])
    vectors, labels, _ = planted(texts, 60)
    made.add_sample_field(FIELD, fo.VectorField)
    made.set_values(FIELD, list(vectors))
    made.set_values("gt", [fo.Classification(label=CLASSES[label]) for label in labels])
    recorded(made, spec)
    return made


QUICK = {"method": "clip_powered", "label_field": "gt", "projection": None, "progress": False, "templates": "{}"}


def test_a_run_stores_the_scores_of_the_numpy_layer(labelled, texts):
    results = fc.compute_coreset(labelled, FIELD, adapter="none", **QUICK)
    vectors, labels, wrong = planted(texts, 60)
    names = [CLASSES[label] for label in labels]
    expected = fc.clip_powered_scores(vectors, names, dict(zip(CLASSES, texts, strict=True)), adapter="none")
    for column in ("score", "alignment", "diversity", "suspicion"):
        np.testing.assert_allclose(labelled.values(f"coreset_{column}"), getattr(expected, column), atol=1e-6)
    kept = np.array(labelled.values("coreset_rank")) < 30
    assert not wrong[kept].any()
    assert sorted(np.bincount(labels[kept]).tolist()) == [10, 10, 10]
    assert results.config.facts["balance"] == "proportional"
    assert results.config.facts["adapter"] == "none"
    assert results.config.method_kwargs == {"adapter": "none", "templates": "{}"}
    assert fc.load_run(labelled, "coreset").config.facts["n_classes"] == 3


def test_the_published_descent_as_a_run(labelled):
    options = QUICK | {"adapter": "none", "k": 30}
    exact = fc.compute_coreset(labelled, FIELD, "exact", **options)
    descent = fc.compute_coreset(labelled, FIELD, "descent", optimizer="sgd", **options)
    assert set(descent.view(30).values("id")) == set(exact.view(30).values("id"))
    assert len(descent) == 30
    assert {"alignment", "diversity", "suspicion"} <= set(descent.columns)
    with pytest.raises(fc.CoresetError, match=r"'clip_powered' with optimizer='sgd' chooses for one budget.*k='10%'"):
        fc.compute_coreset(labelled, FIELD, "whole", optimizer="sgd", **(options | {"k": None}))
    with pytest.raises(fc.CoresetError, match="optimizer='adam': choose 'exact' or 'sgd'"):
        fc.compute_coreset(labelled, FIELD, "adam", optimizer="adam", **(options | {"k": None}))
    assert sorted(labelled.list_brain_runs()) == ["descent", "exact"]


def test_unlabelled_images_are_left_out_or_guessed(labelled):
    some = labelled.take(7, seed=1)
    some.set_field("gt", None).save()
    results = fc.compute_coreset(labelled, FIELD, adapter="none", **QUICK)
    assert results.config.facts["n_unlabelled"] == 7
    assert sum(rank is None for rank in labelled.values("coreset_rank")) == 7
    guessed = fc.compute_coreset(labelled, FIELD, brain_key="guessed", adapter="none", unlabelled="pseudo", **QUICK)
    assert guessed.config.facts["n_pseudo"] == 7
    assert len(guessed) == 60


def test_text_embeddings_replace_the_model_of_the_field(labelled, texts):
    import fiftyone as fo

    labelled.add_sample_field("bare", fo.VectorField)
    labelled.set_values("bare", labelled.values(FIELD))
    given = dict(zip(CLASSES, texts, strict=True))
    one = fc.compute_coreset(labelled, "bare", "one", text_embeddings=given, adapter="none", **QUICK)
    other = fc.compute_coreset(labelled, FIELD, "other", adapter="none", **QUICK)
    np.testing.assert_allclose(one.score, other.score, atol=1e-6)


def test_names_of_the_user_reach_the_text_tower(labelled):
    renamed = {"cat": "airplane", "airplane": "cat"}
    swapped = fc.compute_coreset(labelled, FIELD, "swapped", adapter="none", class_names=renamed, **QUICK)
    plain = fc.compute_coreset(labelled, FIELD, "plain", adapter="none", **QUICK)
    lakes = np.array(labelled.values("gt.label")) == "sea_lake"
    assert swapped.columns["suspicion"][~lakes].mean() > plain.columns["suspicion"][~lakes].mean() + 0.05
    assert swapped.config.method_kwargs["class_names"] == renamed


def test_objects_are_scored_by_their_own_label(dataset, spec, texts):
    import fiftyone as fo

    made = dataset([f"/nowhere/{row}.png" for row in range(20)])
    vectors, labels, wrong = planted(texts, 60)
    objects = [
        fo.Detection(label=CLASSES[label], bounding_box=[0, 0, 1, 1], emb=vector)
        for vector, label in zip(vectors, labels, strict=True)
    ]
    made.set_values("objects", [fo.Detections(detections=objects[3 * row : 3 * row + 3]) for row in range(20)])
    made.add_sample_field(f"objects.detections.{FIELD}", fo.VectorField)
    patches = made.to_patches("objects")
    recorded(patches, spec)
    fc.compute_coreset(patches, FIELD, adapter="none", **(QUICK | {"label_field": "label"}))
    ranks = np.array(made.values("objects.detections.coreset_rank", unwind=True))
    assert not wrong[ranks < 30].any()
    view = fc.flag_suspicious_labels(patches, FIELD, "label", adapter="none", templates="{}", progress=False)
    ids = np.array(made.values("objects.detections.id", unwind=True))
    assert 4 <= len(view) <= wrong.sum()
    assert set(view.values("id")) <= set(ids[wrong])
    scores = view.values("objects.suspicious_score")
    assert scores == sorted(scores, reverse=True)


def test_suspicious_labels_become_a_view_with_the_better_class(labelled, texts):
    vectors, labels, _ = planted(texts, 60)
    names = [CLASSES[label] for label in labels]
    expected = fc.find_suspicious_labels(vectors, names, dict(zip(CLASSES, texts, strict=True)), adapter="none")
    view = fc.flag_suspicious_labels(labelled, FIELD, "gt", adapter="none", templates="{}", progress=False)
    ids = np.array(labelled.values("id"))
    assert view.values("id") == ids[expected.rows].tolist()
    assert len(view) >= 4
    np.testing.assert_allclose(labelled.values("suspicious_score"), expected.suspicion, atol=1e-4)
    truth = dict(zip(ids, np.arange(60) % 3, strict=True))
    assert view.values("suspicious_class") == [CLASSES[truth[sample]] for sample in view.values("id")]
    assert f"{len(view)} images whose 'gt' looks wrong" in labelled.get_saved_view_info("suspicious")["description"]


def test_suspicious_labels_are_overwritten_only_when_asked(labelled):
    options = {"adapter": "none", "templates": "{}", "progress": False}
    fc.flag_suspicious_labels(labelled, FIELD, "gt", **options)
    with pytest.raises(fc.CoresetError, match="'suspicious_score' exists; choose another name or pass overwrite"):
        fc.flag_suspicious_labels(labelled, FIELD, "gt", **options)
    import fiftyone as fo

    truth = np.arange(60) % 3
    labelled.set_values("gt", [fo.Classification(label=CLASSES[label]) for label in truth])
    assert len(fc.flag_suspicious_labels(labelled, FIELD, "gt", overwrite=True, **options)) == 0
    with pytest.raises(fc.CoresetError, match="must be a valid variable name"):
        fc.flag_suspicious_labels(labelled, FIELD, "gt", name="a b", **options)


def test_what_is_missing_is_named_with_the_alternatives(labelled, spec):
    import fiftyone as fo

    def refused(message, samples=labelled, embeddings=FIELD, **options):
        with pytest.raises(fc.CoresetError, match=message):
            fc.compute_coreset(samples, embeddings, **(QUICK | options))
        assert samples.list_brain_runs() == []

    refused("give label_field=, or use a method without texts, see list_methods", label_field=None)
    labelled.add_sample_field("bare", fo.VectorField)
    labelled.set_values("bare", labelled.values(FIELD))
    refused("field 'bare' does not say which model made it.*'coreset-mini' or 'ViT-B-32'", embeddings="bare")
    refused("2 fields came in; give one field", embeddings=[FIELD, "bare"])
    refused("an array came in", embeddings=np.ones((60, 4)))
    refused("method 'clip_powered' has no parameter 'n_draws'; its parameters are: balance", n_draws=10)
    refused("class_names: 1 keys are not labels", class_names={"dgo": "dog"})
    labelled.set_values("gt", [fo.Classification(label=str(row % 3)) for row in range(60)])
    refused("3 of 3 labels have no words")
    labelled.set_field("gt", None).save()
    refused("none of the 60 images has a label to agree with")


def test_weights_that_changed_are_noticed(labelled, spec, tmp_path):
    from dataclasses import replace

    recorded(labelled, replace(spec, checkpoint_sha256="0" * 64))
    with pytest.raises(fc.CoresetError, match=r"the weights of .* changed since .*emb.* was embedded"):
        fc.compute_coreset(labelled, FIELD, **QUICK)
