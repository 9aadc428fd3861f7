"""Fingerprints: taken while images are embedded or alone, resumable, of images and of objects."""

from datetime import datetime

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone_coreset import CoresetError
from fiftyone_coreset.plugin.dataset.rows import Rows
from fiftyone_coreset.plugin.embeddings.field import field_lock
from fiftyone_coreset.plugin.embeddings.fingerprint import fingerprint
from fiftyone_coreset.plugin.embeddings.fingerprint_field import FINGERPRINT_FIELD, TAKEN_AT_FIELD, read_fingerprints
from PIL import Image


def cells(path, box=None):
    """The means of 16 x 16 cells of the grey image, by numpy alone."""
    grey = np.asarray(Image.open(path).convert("RGB").crop(box or (0, 0, 48, 32)).convert("L"), dtype=float)
    height, width = grey.shape
    return grey.reshape(16, height // 16, 16, width // 16).mean(axis=(1, 3)).ravel()


@pytest.fixture
def paths(image_folder):
    return image_folder(n=5, size=(48, 32))


def test_a_fingerprint_holds_the_means_of_its_cells(paths):
    for path in paths:
        np.testing.assert_allclose(fingerprint(Image.open(path).convert("RGB")), cells(path), atol=1.5)


def test_they_are_taken_while_images_are_embedded_and_alone(dataset, paths, tmp_path, embed):
    samples = dataset([*paths, tmp_path / "absent.png"])
    embed(samples.limit(3))
    found, there = read_fingerprints(Rows(samples))
    assert there.tolist() == [True] * 3 + [False] * 3
    report = fc.compute_fingerprints(samples, num_workers=0, progress=False)
    assert (report.n_present, report.n_embedded, report.counts["missing"]) == (3, 2, 1)
    found, there = read_fingerprints(Rows(samples))
    assert there.tolist() == [True] * 5 + [False]
    np.testing.assert_allclose(found[:5], [cells(path) for path in paths], atol=1.5)
    assert fc.embedding_record(samples, FINGERPRINT_FIELD)["state"] == "complete"
    assert fc.compute_fingerprints(samples, num_workers=0, progress=False).n_embedded == 0


def test_objects_have_their_own(dataset, paths, embed):
    samples = dataset(paths[:1])
    sample = samples.first()
    sample["things"] = fo.Detections(
        detections=[fo.Detection(label="a", bounding_box=box) for box in ((0, 0, 1 / 3, 0.5), (1 / 3, 0, 2 / 3, 1))]
    )
    sample.save()
    embed(samples.to_patches("things"), embeddings_field="clip")
    ((first, second),) = samples.values(f"things.detections.{FINGERPRINT_FIELD}")
    np.testing.assert_allclose(first, cells(paths[0], (0, 0, 16, 16)), atol=1.5)
    np.testing.assert_allclose(second, cells(paths[0], (16, 0, 48, 32)), atol=1.5)


def test_a_second_writer_does_not_stop_an_embedding(dataset, paths, embed):
    samples = dataset(paths)
    with field_lock(Rows(samples), FINGERPRINT_FIELD):
        assert embed(samples).n_embedded == 5
        with pytest.raises(CoresetError, match="is being written by process"):
            fc.compute_fingerprints(samples, progress=False)
    assert read_fingerprints(Rows(samples)) is None


def test_overwriting_reads_the_files_again(dataset, paths, embed):
    samples = dataset(paths)
    embed(samples)
    Image.new("RGB", (48, 32), "white").save(paths[0])
    embed(samples, overwrite=True)
    assert read_fingerprints(Rows(samples))[0][0].tolist() == [255] * 256


def picture(path, taken=None, fraction=None):
    exif = Image.Exif()
    if taken is not None:
        exif.get_ifd(0x8769)[0x9003] = taken
    if fraction is not None:
        exif.get_ifd(0x8769)[0x9291] = fraction
    Image.new("RGB", (48, 32), "white").save(path, exif=exif)
    return path


def test_when_a_picture_was_taken_is_kept_beside_it(dataset, tmp_path, embed):
    paths = [
        picture(tmp_path / "whole.jpg", "2026:03:04 05:06:07"),
        picture(tmp_path / "fraction.jpg", "2026:03:04 05:06:07", "25"),
        picture(tmp_path / "nonsense.jpg", "0000:00:00 00:00:00"),
        picture(tmp_path / "without.png"),
    ]
    samples = dataset(paths)
    embed(samples.limit(1))
    fc.compute_fingerprints(samples, num_workers=0, progress=False)
    moment = datetime(2026, 3, 4, 5, 6, 7)
    assert samples.values(TAKEN_AT_FIELD) == [moment, moment.replace(microsecond=250_000), None, None]
    picture(paths[0])
    fc.compute_fingerprints(samples, num_workers=0, overwrite=True, progress=False)
    assert samples.values(TAKEN_AT_FIELD)[0] is None


def test_without_times_no_field_of_times_is_made(dataset, paths):
    samples = dataset(paths)
    fc.compute_fingerprints(samples, num_workers=0, progress=False)
    assert not samples.has_field(TAKEN_AT_FIELD)


def test_fields_of_the_same_name_are_not_touched(dataset, paths):
    samples = dataset(paths)
    samples.set_values(TAKEN_AT_FIELD, ["mine"] * 5)
    with pytest.raises(CoresetError, match="'coreset_taken_at' is a StringField"):
        fc.compute_fingerprints(samples, progress=False)
    samples.delete_sample_field(TAKEN_AT_FIELD)
    samples.set_values(FINGERPRINT_FIELD, ["mine"] * 5)
    with pytest.raises(CoresetError, match="is a StringField"):
        fc.compute_fingerprints(samples, progress=False)
    assert read_fingerprints(Rows(samples)) is None
