"""compute_embeddings on real datasets: what is written, what is kept, what is refused."""

import fiftyone as fo
import images
import numpy as np
import odd_images
import pytest
import tiny_clip
from fiftyone_coreset import CoresetError
from fiftyone_coreset.plugin.embeddings.clip import load_image_model, resolve_clip
from fiftyone_coreset.plugin.embeddings.embedder import Embedder
from fiftyone_coreset.plugin.embeddings.record import embedding_record
from PIL import Image


@pytest.fixture(scope="session")
def other_weights(clip_folder):
    return tiny_clip.write_weights(clip_folder / "weights1.safetensors", seed=1)


@pytest.fixture
def expected(weights):
    """The vector of one file, computed alone by open_clip's own preprocessing."""
    import torch

    model, preprocess = load_image_model(resolve_clip(tiny_clip.NAME, checkpoint=weights), "cpu")

    def vector(path, crop=None):
        image = Image.open(path).convert("RGB")
        image = image.crop(crop) if crop else image
        with torch.no_grad():
            return model.encode_image(preprocess(image)[None], normalize=True)[0].numpy()

    return vector


@pytest.mark.parametrize("num_workers", [0, 2])
def test_every_image_gets_its_own_vector(dataset, image_folder, embed, expected, num_workers):
    paths = image_folder(n=7)
    samples = dataset(paths)
    report = embed(samples, embeddings_field="clip", batch_size=3, num_workers=num_workers)

    vectors = samples.values("clip")
    np.testing.assert_allclose(vectors, [expected(path) for path in paths], atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert {vector.dtype for vector in vectors} == {np.dtype(np.float32)}
    assert isinstance(samples.get_field("clip"), fo.VectorField)
    assert report.counts == {
        "ok": 7,
        "missing": 0,
        "unreadable": 0,
        "undecodable": 0,
        "non-finite": 0,
        "model error": 0,
    }
    assert (report.field, report.total, report.n_present) == ("clip", 7, 0)


def test_second_call_fills_only_what_is_missing(dataset, image_folder, embed, computed):
    paths = image_folder(n=6)
    samples = dataset(paths)
    embed(samples.limit(4))
    before = samples.limit(4).values("clip_embeddings")
    assert samples.count("clip_embeddings") == 4

    report = embed(samples)
    assert (report.n_present, report.n_embedded) == (4, 2)
    assert computed() == 6
    assert np.array_equal(samples.limit(4).values("clip_embeddings"), before)

    assert embed(samples).n_embedded == 0
    assert computed() == 6
    embed(samples, overwrite=True)
    assert computed() == 12


def test_bad_images_cost_only_themselves(dataset, image_folder, tmp_path, embed):
    """More than a hundred odd files within one batch; the others have names that FiftyOne takes for other media."""
    odd = odd_images.write_odd_images(tmp_path / "odd")
    odd = {path: outcome for path, outcome in odd.items() if fo.Sample(filepath=path).media_type == "image"}
    good = [str(path) for path in image_folder(n=20)]
    paths = [path for pair in zip(odd, good * 10, strict=False) for path in pair]
    samples = dataset(paths)

    report = embed(samples, batch_size=512, num_workers=2, tag_failures="no embedding")

    ids = samples.values("id")
    bad = {row_id: odd[path] for row_id, path in zip(ids, paths, strict=True) if odd.get(path, "ok") != "ok"}
    assert {failure.id: failure.outcome.value for failure in report.failures} == bad
    assert samples.exists("clip_embeddings", False).values("id") == list(bad)
    assert samples.match_tags("no embedding").values("id") == list(bad)
    assert report.n_embedded == len(paths) - len(bad)
    assert report.counts["missing"] == 4
    assert "4 missing" in str(report)
    assert all(failure.reason for failure in report.failures)


def test_non_finite_output_costs_only_its_image(dataset, image_folder, embed, monkeypatch):
    original = Embedder.__call__

    def second_is_nan(self, pixels):
        vectors = original(self, pixels)
        vectors[1, 0] = np.nan
        return vectors

    monkeypatch.setattr(Embedder, "__call__", second_is_nan)
    samples = dataset(image_folder(n=4))
    report = embed(samples, batch_size=4)
    assert [vector is None for vector in samples.values("clip_embeddings")] == [False, True, False, False]
    assert report.counts["non-finite"] == 1
    assert report.failures[0].id == samples.values("id")[1]
    assert f"e.g. {samples.values('filepath')[1]} (" in str(report)


def test_nothing_is_written_when_every_image_fails(dataset, tmp_path, embed):
    (tmp_path / "text.png").write_text("no image")
    samples = dataset([tmp_path / "a.png", tmp_path / "b.png", tmp_path / "text.png"])
    with pytest.raises(CoresetError, match=r"none of the 3 images .*\(2 missing, 1 undecodable\)"):
        embed(samples)
    assert not samples.has_field("clip_embeddings")


def test_failed_overwrite_keeps_what_was_there(dataset, image_folder, embed):
    paths = image_folder(n=3)
    samples = dataset(paths)
    embed(samples)
    before = samples.values("clip_embeddings")
    for path in paths:
        path.unlink()
    with pytest.raises(CoresetError, match="3 missing"):
        embed(samples, overwrite=True)
    assert np.array_equal(samples.values("clip_embeddings"), before)


def test_failures_beside_embedded_images_are_no_error_the_second_time(dataset, image_folder, tmp_path, embed):
    samples = dataset([*image_folder(n=2), tmp_path / "absent.png"])
    embed(samples)
    report = embed(samples)
    assert (report.n_present, report.n_embedded, report.n_failed) == (2, 0, 1)


def test_record_names_the_model(dataset, image_folder, embed, weights):
    samples = dataset(image_folder(n=2))
    assert embedding_record(samples, "clip") is None
    embed(samples, embeddings_field="clip")
    record = embedding_record(samples, "clip")
    assert record["model"] == tiny_clip.NAME
    assert record["checkpoint"] == str(weights)
    assert len(record["checkpoint_sha256"]) == 64
    assert (record["dimension"], record["normalized"], record["state"]) == (tiny_clip.DIMENSION, True, "complete")
    assert record["preprocess"]["size"] == [tiny_clip.SIZE, tiny_clip.SIZE]


def test_record_follows_the_field(dataset, image_folder, embed, tmp_path):
    samples = dataset(image_folder(n=2))
    embed(samples, embeddings_field="clip")
    record = embedding_record(samples, "clip")

    samples.name = samples.name + "-renamed"
    assert embedding_record(samples, "clip") == record
    assert embedding_record(samples.limit(1), "clip") == record
    assert embedding_record(samples.clone(), "clip") == record
    samples.rename_sample_field("clip", "renamed")
    assert embedding_record(samples, "renamed") == record
    assert embedding_record(samples, "clip") is None
    export = str(tmp_path / "export")
    samples.export(export_dir=export, dataset_type=fo.types.FiftyOneDataset, export_media=False)
    imported = fo.Dataset.from_dir(export, fo.types.FiftyOneDataset)
    assert embedding_record(imported, "renamed") == record


def test_two_models_are_never_mixed(dataset, image_folder, embed, other_weights):
    samples = dataset(image_folder(n=5))
    embed(samples.limit(3))
    with pytest.raises(CoresetError, match=r"holds 3 embeddings of .*weights0.* mixed with .*weights1"):
        embed(samples, checkpoint=other_weights)
    with pytest.raises(CoresetError, match=r"would leave 2 embeddings of .*weights0"):
        embed(samples.limit(1), checkpoint=other_weights, overwrite=True)
    assert "weights0" in embedding_record(samples, "clip_embeddings")["checkpoint"]

    before = samples.first()["clip_embeddings"]
    embed(samples, checkpoint=other_weights, overwrite=True)
    assert "weights1" in embedding_record(samples, "clip_embeddings")["checkpoint"]
    assert not np.allclose(samples.first()["clip_embeddings"], before)


def test_vectors_of_unknown_origin_are_not_mixed(dataset, image_folder, embed):
    samples = dataset(image_folder(n=2))
    samples.add_sample_field("vectors", fo.VectorField)
    assert embed(samples.limit(1), embeddings_field="vectors").n_embedded == 1  # an empty field is anybody's
    samples.add_sample_field("foreign", fo.VectorField)
    samples.set_values("foreign", [np.ones(4), None])
    with pytest.raises(CoresetError, match=r"holds vectors of 4 numbers, but .* makes vectors of 16"):
        embed(samples, embeddings_field="foreign")


def test_interrupted_overwrite_shows_one_model_only(dataset, image_folder, embed, other_weights, expected):
    """When the process dies half-way, no old vector is left to be taken for one of the new model."""
    samples = dataset(image_folder(n=6))
    embed(samples, checkpoint=other_weights)

    def die(fraction, message):
        if fraction >= 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed(samples, overwrite=True, batch_size=2, progress=die)
    record = embedding_record(samples, "clip_embeddings")
    assert ("weights0" in record["checkpoint"], record["state"]) == (True, "partial")
    assert 0 < samples.count("clip_embeddings") < 6

    embed(samples)
    np.testing.assert_allclose(
        samples.values("clip_embeddings"), [expected(path) for path in samples.values("filepath")], atol=2e-3
    )
    assert embedding_record(samples, "clip_embeddings")["state"] == "complete"


def test_group_slices(dataset, image_folder, embed, other_weights):
    left, right = np.array_split(image_folder(n=6), 2)
    samples = dataset()
    samples.add_group_field("group", default="left")
    for pair in zip(left, right, strict=True):
        group = fo.Group()
        samples.add_samples(
            [
                fo.Sample(filepath=str(path), group=group.element(name))
                for name, path in zip(["left", "right"], pair, strict=True)
            ],
            progress=False,
        )
    with pytest.raises(CoresetError, match="select_group_slices"):
        embed(samples)
    report = embed(samples.select_group_slices("right"))
    assert report.n_embedded == 3
    assert samples.select_group_slices("left").count("clip_embeddings") == 0
    with pytest.raises(CoresetError, match="holds 3 embeddings"):
        embed(samples.select_group_slices("left"), checkpoint=other_weights)
    assert embed(samples.select_group_slices("left")).n_embedded == 3
    assert samples.select_group_slices("right").count("clip_embeddings") == 3


@pytest.fixture
def objects(dataset, image_folder, tmp_path):
    """Three images with two boxes each, in the last of which one box is empty, and one image that is missing."""
    samples = dataset([*image_folder(n=3, size=(60, 40)), tmp_path / "absent.png"])
    for sample in samples:
        boxes = [(0, 0, 0.5, 0.5), (0.5, 0, 0.5, 1)]
        sample["things"] = fo.Detections(
            detections=[fo.Detection(label=label, bounding_box=box) for label, box in zip("ab", boxes, strict=True)]
        )
        sample.save()
    sample = samples.skip(2).first()
    sample.things.detections[1].bounding_box = [0.5, 0.5, 0, 0]
    sample.save()
    return samples


def test_objects(objects, embed, expected):
    report = embed(objects.to_patches("things"), embeddings_field="clip", tag_failures="bad")

    assert report.field == "things.detections.clip"
    assert report.counts == {
        "ok": 5,
        "missing": 2,
        "unreadable": 0,
        "undecodable": 1,
        "non-finite": 0,
        "model error": 0,
    }
    vectors = objects.values("things.detections.clip")
    assert [[vector is not None for vector in pair] for pair in vectors] == [[1, 1], [1, 1], [1, 0], [0, 0]]
    path = objects.values("filepath")[0]
    np.testing.assert_allclose(vectors[0][0], expected(path, (0, 0, 30, 20)), atol=2e-3)
    np.testing.assert_allclose(vectors[0][1], expected(path, (30, 0, 60, 40)), atol=2e-3)
    assert objects.count_label_tags() == {"bad": 3}
    assert not objects.has_sample_field("clip")
    assert embedding_record(objects.to_patches("things"), "clip")["model"] == tiny_clip.NAME


def test_objects_of_a_filtered_view(objects, embed, other_weights, computed):
    only_a = objects.to_patches("things").match(fo.ViewField("things.label") == "a")
    assert embed(only_a, embeddings_field="clip").n_embedded == 3
    assert only_a.values("things.clip")[0].shape == (tiny_clip.DIMENSION,)
    with pytest.raises(CoresetError, match="holds 3 embeddings"):
        embed(objects.to_patches("things"), embeddings_field="clip", checkpoint=other_weights)

    report = embed(objects.to_patches("things"), embeddings_field="clip")
    assert (report.n_present, report.n_embedded) == (3, 2)
    with pytest.raises(CoresetError, match="would leave 2 embeddings"):
        embed(only_a, embeddings_field="clip", checkpoint=other_weights, overwrite=True)
    assert embed(only_a, embeddings_field="clip", overwrite=True).n_embedded == 3
    assert computed() == 8
    assert objects.count("things.detections.clip") == 5


def test_polylines_have_an_extent_and_keypoints_none(dataset, image_folder, embed, expected):
    samples = dataset(image_folder(n=1, size=(60, 40)))
    sample = samples.first()
    shape = [[(0.5, 0.0), (1.0, 0.5)], [(0.75, 1.0)]]
    sample["outlines"] = fo.Polylines(polylines=[fo.Polyline(points=shape)])
    sample["spots"] = fo.Keypoints(keypoints=[fo.Keypoint(points=[(0.5, 0.5)])])
    sample.save()
    embed(samples.to_patches("outlines"), embeddings_field="clip")
    ((vector,),) = samples.values("outlines.polylines.clip")
    np.testing.assert_allclose(vector, expected(sample.filepath, (30, 0, 60, 40)), atol=2e-3)
    with pytest.raises(CoresetError, match=r"no extent \(Keypoints\)"):
        embed(samples.to_patches("spots"), embeddings_field="clip")


@pytest.mark.parametrize(
    ("path", "media"), [("film.mp4", "video"), ("scan.pcd", "point-cloud"), ("scene.fo3d", "3d"), ("a.txt", "unknown")]
)
def test_other_media_are_refused(dataset, tmp_path, embed, path, media):
    with pytest.raises(CoresetError, match=f"1 samples are of type '{media}'"):
        embed(dataset([tmp_path / path]))


def test_empty_dataset(dataset, embed):
    with pytest.raises(CoresetError, match="'nothing' has no samples"):
        embed(dataset(name="nothing"))


def test_fields_that_cannot_hold_vectors(dataset, image_folder, embed):
    samples = dataset(image_folder(n=1))
    with pytest.raises(CoresetError, match="'filepath' is a StringField"):
        embed(samples, embeddings_field="filepath")
    for name in ("_private", "", "a.b", "cash$"):
        with pytest.raises(CoresetError, match="cannot be a field name"):
            embed(samples, embeddings_field=name)


@pytest.mark.parametrize("argument", [{"batch_size": 0}, {"num_workers": -1}])
def test_impossible_numbers(dataset, image_folder, embed, argument):
    with pytest.raises(CoresetError, match=f"{next(iter(argument))} must be a whole number from"):
        embed(dataset(image_folder(n=1)), **argument)


def test_progress_reaches_the_end_and_may_fail(dataset, image_folder, embed):
    samples = dataset(image_folder(n=5))
    seen = []
    embed(samples, embeddings_field="a", batch_size=2, progress=lambda *report: seen.append(report))
    assert [fraction for fraction, _ in seen] == [0, 0.4, 0.8, 1]
    assert seen[-1][1] == "5 of 5 images"

    def lost(fraction, message):
        raise ConnectionError("the App is gone")

    assert embed(samples, embeddings_field="b", progress=lost).n_embedded == 5


def test_wide_image_among_others(dataset, image_folder, tmp_path, embed):
    images.picture(np.random.default_rng(0), (30_000, 2)).save(tmp_path / "wide.png")
    samples = dataset([*image_folder(n=2), tmp_path / "wide.png"])
    assert embed(samples).n_embedded == 3
