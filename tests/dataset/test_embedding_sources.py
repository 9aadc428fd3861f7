"""Embeddings from wherever they are: the same vectors give the same run, and what cannot be read is one sentence."""

import fiftyone as fo
import fiftyone.brain as fob
import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone_coreset.plugin.dataset.brain_vectors import runs_with_vectors
from fiftyone_coreset.plugin.dataset.embeddings import EmbeddingSource
from fiftyone_coreset.plugin.dataset.rows import FRAMES, Rows

N = 24
QUICK = {"method": "kcenter", "projection": None, "progress": False, "overwrite": True}


@pytest.fixture(scope="module")
def vectors():
    return np.random.default_rng(0).normal(size=(N, 5)).astype(np.float32)


@pytest.fixture(scope="module")
def made(mongod, vectors):
    """24 images with one object each; the same vectors in a field, in similarity indexes, and in the objects."""
    made = fo.Dataset()
    for row, vector in enumerate(vectors):
        box = fo.Detection(label="a", bounding_box=[0, 0, 1, 1], crop=vector)
        made.add_sample(fo.Sample(f"/nowhere/{row}.png", emb=vector, detections=fo.Detections(detections=[box])))
    fob.compute_similarity(made, embeddings=vectors, brain_key="own", backend="sklearn")
    fob.compute_similarity(made, embeddings="emb", brain_key="of_field", backend="sklearn")
    fob.compute_similarity(
        made, patches_field="detections", embeddings=vectors[:, None], brain_key="crops", backend="sklearn"
    )
    fob.compute_visualization(made, embeddings="emb", brain_key="map_of_field", method="pca")
    fob.compute_visualization(made, similarity_index="own", brain_key="map_of_index", method="pca")
    fob.compute_visualization(made, points=vectors[:, :2], brain_key="points_only")
    yield made
    made.delete()


def by_id(made, vectors, path="id"):
    return dict(zip(made.values(path, unwind=True), vectors, strict=True))


@pytest.mark.parametrize("name", ["own", "of_field", "map_of_field", "map_of_index"])
def test_brain_runs_give_the_vectors_that_they_were_made_from(made, vectors, name):
    expected = fc.compute_coreset(made, "emb", **QUICK)
    run = fc.compute_coreset(made, name, **QUICK)
    assert run.ids[run.ranking].tolist() == expected.ids[expected.ranking].tolist()
    assert fc.load_run(fo.load_dataset(made.name), "coreset").config.embeddings == [name]
    made.clear_cache()
    again = fc.load_run(made, "coreset")
    np.testing.assert_allclose(again.embeddings(), vectors, rtol=1e-6)
    assert again.changes() is None, "another process reads the same vectors"


def test_a_loaded_index_is_its_key(made):
    assert EmbeddingSource.of(made.load_brain_results("own")).fields == ("own",)


@pytest.mark.parametrize("load", [False, True])
def test_an_index_by_its_own_argument(made, load):
    index = made.load_brain_results("own") if load else "own"
    expected = fc.compute_coreset(made, "own", **QUICK)
    run = fc.compute_coreset(made, similarity_index=index, **QUICK)
    assert run.config.embeddings == ["own"]
    assert run.rank.tolist() == expected.rank.tolist()
    copies = fc.near_duplicates(made, similarity_index=index, progress=False)
    assert copies.groups == fc.near_duplicates(made, "own", progress=False).groups


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"similarity_index": "own", "embeddings": "emb"}, "both say where vectors are; give one of them"),
        ({"similarity_index": "emb"}, "'emb' is no brain run .*: 'map_of_field', 'map_of_index', 'of_field', 'own'"),
        ({"similarity_index": 3}, "similarity_index 3 is no brain run"),
        ({"similarity_index": "crops"}, "'crops' has vectors of objects in 'detections', but images are asked for"),
    ],
)
def test_what_is_no_index_is_refused(made, arguments, message):
    with pytest.raises(fc.CoresetError, match=message):
        fc.compute_coreset(made, **QUICK | arguments)


def test_an_index_called_like_a_field_is_refused(made, vectors):
    fob.compute_similarity(made, embeddings=vectors, brain_key="emb", backend="sklearn")
    with pytest.raises(fc.CoresetError, match="both a field and a brain run are called 'emb'"):
        fc.compute_coreset(made, similarity_index="emb", **QUICK)
    made.delete_brain_run("emb")


def test_vectors_by_id(made, vectors):
    known = by_id(made, vectors)
    order = np.random.default_rng(1).permutation(list(known))
    shuffled = {row_id: known[row_id] for row_id in order.tolist()[5:]} | {"0" * 24: vectors[0]}
    found = EmbeddingSource.of(shuffled).load(Rows(made))
    assert found.valid.sum() == N - 5
    for row_id, vector, valid in zip(made.values("id"), found.matrix, found.valid, strict=True):
        assert valid == (row_id in shuffled)
        if valid:
            assert np.array_equal(vector, known[row_id])


@pytest.mark.parametrize("name", ["crop", "crops"])
def test_objects_have_vectors_in_attributes_and_indexes(made, vectors, name):
    found = EmbeddingSource.of(name).load(Rows(made.to_patches("detections")))
    np.testing.assert_allclose(found.matrix, vectors, rtol=1e-6)


def test_an_index_of_some_images_leaves_the_others_out(made, vectors):
    fob.compute_similarity(made[4:14], embeddings=vectors[4:14], brain_key="some", backend="sklearn")
    found = EmbeddingSource.of("some").load(Rows(made))
    assert found.valid.tolist() == [4 <= row < 14 for row in range(N)]
    np.testing.assert_allclose(found.matrix[4:14], vectors[4:14])
    with pytest.raises(fc.CoresetError, match="'some' has 0 vectors, none of them for one of the 4 rows"):
        EmbeddingSource.of("some").load(Rows(made[:4]))
    made.delete_brain_run("some")


@pytest.mark.parametrize("source", ["own", "of_field", "map_of_index", "dict"])
def test_vectors_of_deleted_images_are_passed_over(made, vectors, source):
    some = made.clone()
    given = by_id(some, vectors) if source == "dict" else source
    some.delete_samples(some.values("id")[:4])
    some.clear_cache()
    found = EmbeddingSource.of(given).load(Rows(some))
    assert found.valid.all()
    np.testing.assert_allclose(found.matrix, vectors[4:], rtol=1e-6)
    some.delete()


@pytest.mark.parametrize(
    ("embeddings", "message"),
    [
        ("points_only", "visualization 'points_only' keeps points only, and not the embeddings"),
        ("crops", "'crops' has vectors of objects in 'detections', but images are asked for"),
        ("nope", "field 'nope' does not exist .*, and no similarity index is called so"),
        ({}, "the dict of embeddings has 0 vectors"),
        ({"/nowhere/1.png": [1.0]}, "has 1 vectors, e.g. '/nowhere/1.png', none of them for one of the 24 rows"),
        (None, "embeddings must be a field name, a brain key"),
    ],
)
def test_what_has_no_vectors_is_refused(made, embeddings, message):
    with pytest.raises(fc.CoresetError, match=message):
        EmbeddingSource.of(embeddings).load(Rows(made))


def test_runs_of_other_types_are_refused(made):
    fc.compute_coreset(made, "emb", "scores", method="random", projection=None, progress=False)
    with pytest.raises(fc.CoresetError, match="'scores' is of type 'coreset', which has no embeddings"):
        EmbeddingSource.of("scores").load(Rows(made))


def test_vectors_of_two_lengths_are_refused(made, vectors):
    ragged = by_id(made, [vector[: 5 - row % 2] for row, vector in enumerate(vectors)])
    with pytest.raises(fc.CoresetError, match="embeddings"):
        EmbeddingSource.of(ragged).load(Rows(made))


def test_what_the_form_offers(made):
    assert runs_with_vectors(made, None) == ["map_of_field", "map_of_index", "of_field", "own"]
    assert runs_with_vectors(made, "detections") == ["crops"]


def test_an_index_that_cannot_be_read_is_one_sentence(made, monkeypatch):
    index = made.load_brain_results("own")
    monkeypatch.setattr(type(index), "get_embeddings", lambda self, **_: (_ for _ in ()).throw(OSError("no route")))
    with pytest.raises(fc.CoresetError, match=r"similarity index 'own' cannot be read \(OSError: no route\)"):
        EmbeddingSource.of("own").load(Rows(made))


def test_attributes_of_objects_are_not_those_of_images(made):
    with pytest.raises(fc.CoresetError, match=r"pass samples\.to_patches\('detections'\) and embeddings='crop'"):
        fc.compute_coreset(made, "detections.detections.crop", **QUICK)


def test_indexes_of_frames(dataset, vectors):
    videos = dataset()
    for start in (0, 12):
        video = fo.Sample(f"/nowhere/{start}.mp4")
        for number in range(12):
            video.frames[number + 1] = fo.Frame(filepath=f"/nowhere/{start + number}.jpg", emb=vectors[start + number])
        videos.add_sample(video)
    for key, embeddings in (("own", vectors), ("of_field", "emb")):
        fob.compute_similarity(videos.to_frames(), embeddings=embeddings, brain_key=key, backend="sklearn")
        run = fc.compute_coreset(videos.to_frames(), similarity_index=key, **QUICK)
        assert run.rank.tolist() == fc.compute_coreset(videos, "frames.emb", "field", **QUICK).rank.tolist()
        videos.clear_cache()
        again = fc.load_run(videos, "coreset")
        np.testing.assert_allclose(again.embeddings(), vectors, rtol=1e-6)
        assert again.changes() is None
    assert runs_with_vectors(videos, FRAMES) == ["of_field", "own"]
    assert runs_with_vectors(videos, None) == []
    with pytest.raises(fc.CoresetError, match="'own' has vectors of frames, but videos are asked for; name another"):
        fc.compute_coreset(videos, similarity_index="own", **QUICK)
