"""Fingerprints of a dataset's images or objects whose embeddings came from elsewhere."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from ..dataset.lock import database_faults
from ..dataset.tags import write_tag
from ..errors import CoresetError
from ..progress import ProgressCallback, reporting
from ..requirements import check_count
from .compute import image_rows
from .decode import MAX_PIXELS
from .fingerprint import SIDE
from .fingerprint_field import FingerprintField, fingerprint_field
from .framing import Framing
from .loading import batches, choose_workers
from .report import EmbeddingReport

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection

#: Files in a batch: decoding a reduced JPEG takes a millisecond, a write to the database some ten.
_BATCH = 256

#: JPEGs are decoded at a size that is several times that of a fingerprint.
_FRAMING = Framing(2 * SIDE, 2 * SIDE, mode="squash", interpolation="bilinear")


def compute_fingerprints(
    samples: SampleCollection,
    *,
    num_workers: int | None = None,
    overwrite: bool = False,
    progress: bool | ProgressCallback | None = None,
    tag_failures: str | None = None,
    max_pixels: int = MAX_PIXELS,
) -> EmbeddingReport:
    """Takes the fingerprints of images, by which :func:`~fiftyone_coreset.near_duplicates` tells copies.

    :func:`~fiftyone_coreset.compute_embeddings` takes them in passing; this is for embeddings that came from elsewhere.
    A fingerprint is 16 x 16 grey values, 256 bytes, in the field ``coreset_fingerprint``; where EXIF data say when a
    picture was taken, ``coreset_taken_at`` keeps that too. Only what is missing is
    computed, as with embeddings, and an image that cannot be read costs only itself.

    Args:
        samples: a dataset or view of images, or a ``to_patches()`` view, whose objects are then taken
        num_workers (None): worker processes that decode images; by default chosen from the machine
        overwrite (False): whether to replace fingerprints that are there, e.g. because files have changed
        progress (None): True for a terminal bar, False for silence, a function ``(fraction, message)``, or None for
            what FiftyOne's ``show_progress_bars`` setting says
        tag_failures (None): a tag for the images, or labels of objects, that could not be read
        max_pixels (100,000,000): images with more pixels than this are not decoded and count as failures

    Returns:
        an :class:`~fiftyone_coreset.EmbeddingReport`: how many were taken, and which failed and why

    Raises:
        CoresetError: if the collection is empty or not of images, if another process writes fingerprints, or if not a
            single image could be read; nothing is written then

    Examples:
        >>> fc.compute_fingerprints(dataset).n_failed
        0
    """
    rows = image_rows(samples)
    check_count("num_workers", num_workers, 0)
    check_count("max_pixels", max_pixels, 1)
    unharmed = "the fingerprints taken are kept: see that mongod runs, and call again to continue"
    with database_faults(unharmed), fingerprint_field(rows, overwrite) as field:
        total = samples.count("id")
        n_pending = sum(len(file.ids) for file in field.pending)
        report = EmbeddingReport(
            field.path, f"{SIDE} x {SIDE} grey values", total, rows.noun, n_present=total - n_pending
        )
        with reporting(progress, "Fingerprints") as tell:
            _take(field, report, n_pending, num_workers, max_pixels, tell)
    if report.failures and tag_failures:
        write_tag(rows, [failure.id for failure in report.failures], tag_failures)
    return report


def _take(
    field: FingerprintField,
    report: EmbeddingReport,
    n_pending: int,
    num_workers: int | None,
    max_pixels: int,
    tell: ProgressCallback,
) -> None:
    """Takes the fingerprints of all pending files and fills in the report."""
    files = field.pending
    workers = choose_workers(num_workers, len(files), _BATCH, on_cpu=False)
    path_of = {row_id: file.path for file in files for row_id in file.ids}
    for batch in batches(files, _FRAMING, _BATCH, workers, max_pixels) if files else ():
        report.failures += [dataclasses.replace(failure, path=path_of[failure.id]) for failure in batch.failures]
        if batch.ids:
            field.write(batch.ids, batch.fingerprints, batch.taken_at)
            report.n_embedded += len(batch.ids)
        done = report.n_embedded + report.n_failed
        tell(done / n_pending, f"{done:,} of {n_pending:,} {report.noun}")
    field.close()
    if files and not report.n_embedded and not report.n_present:
        raise CoresetError(
            f"none of the {report.total:,} {report.noun} could be read ({report.failure_counts()}), "
            f"e.g. {report.failures[0]}; nothing was written"
        )
