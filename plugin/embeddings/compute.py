"""Embeddings of a dataset's images or objects, computed once and kept in a field."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dataset.lock import database_faults
from ..dataset.rows import Rows
from ..dataset.tags import require_tags, write_tag
from ..errors import CoresetError
from ..progress import ProgressCallback, reporting
from ..requirements import check_count
from .decode import MAX_PIXELS
from .embedder import Embedder
from .field import EmbeddingField, field_lock
from .fingerprint_field import FingerprintField, spare_fingerprint_field
from .loading import Batch, batches, choose_workers
from .report import EmbeddingReport, Failure, Outcome
from .same_model import require_same_model
from .workers import ImageFile
from .zoo import ZooEmbedder, embedder_of, resolve_model

if TYPE_CHECKING:
    import torch
    from fiftyone.core.collections import SampleCollection

#: The model by default.
DEFAULT_MODEL = "ViT-B-32"

#: What to do with collections that are not images.
_REMEDIES = {
    "group": "choose one slice with select_group_slices(name)",
    "video": "embed their frames, of a to_frames(sample_frames=True) view",
    "mixed": "choose the images among them",
}


def compute_embeddings(
    samples: SampleCollection,
    embeddings_field: str = "clip_embeddings",
    *,
    model: Any = None,
    pretrained: str | None = None,
    checkpoint: str | Path | None = None,
    batch_size: int | None = None,
    num_workers: int | None = None,
    device: str | torch.device | None = None,
    overwrite: bool = False,
    progress: bool | ProgressCallback | None = None,
    tag_failures: str | None = None,
    max_pixels: int = MAX_PIXELS,
) -> EmbeddingReport:
    """Embeds images with a CLIP model, or any model of FiftyOne's, and keeps the vectors in a field.

    Only images without an embedding are computed, so a second call, or a call after an interruption, completes the
    first; at most one batch is lost when the process dies. An image that cannot be embedded costs only itself. The
    vectors are float32; those of CLIP models have unit length, those of FiftyOne's models are as
    ``dataset.compute_embeddings(model)`` gives them. The field remembers its model, see
    :func:`~fiftyone_coreset.embedding_record`. While an image is decoded, its fingerprint is taken too, by which
    :func:`~fiftyone_coreset.near_duplicates` tells copies, and kept in the field ``coreset_fingerprint``,
    with the time of the picture in ``coreset_taken_at`` where EXIF data name one.

    Args:
        samples: a dataset or view of images, a ``to_patches()`` view, whose objects are then embedded, or a
            ``to_frames(sample_frames=True)`` view, whose vectors are kept with the frames of the videos
        embeddings_field ("clip_embeddings"): the field, of the samples or of the objects; created if necessary
        model (None): any open_clip model, ``"hf-hub:organisation/model"``, ``"coreset-mini"``, the small model in this
            package, a model of FiftyOne's zoo that gives embeddings, e.g. ``"dinov2-vits14-torch"``, or a
            ``fiftyone.core.models.Model`` with embeddings; ``"ViT-B-32"`` by default. A field that another tool wrote
            is completed if the model is named that made it: a few of its vectors are computed again to see
        pretrained (None): tag of the weights in open_clip; by default ``"openai"`` where the model has it, else the
            first that open_clip lists
        checkpoint (None): a local weights file instead of a tag: safetensors, or a torch state dict
        batch_size (None): images in a batch; by default chosen from the device and the model's input size
        num_workers (None): worker processes that decode images; by default chosen from the machine. Workers give up a
            file that crashes a decoder twice, or keeps it busy for half a minute twice. With 0 (the default on Windows)
            this process decodes: such a file takes the run along, and Pillow's own limit of pixels holds as well
        device (None): a torch device; by default CUDA, else MPS, else the CPU; an instance stays where it is
        overwrite (False): whether to replace embeddings that are there
        progress (None): True for a terminal bar, False for silence, a function ``(fraction, message)``, or None for
            what FiftyOne's ``show_progress_bars`` setting says
        tag_failures (None): a tag for the images, or labels of objects, that could not be embedded
        max_pixels (100,000,000): images with more pixels than this are not decoded and count as failures; a worker
            needs up to 8 bytes a pixel while it decodes, 0.8 GB at the default

    Returns:
        an :class:`~fiftyone_coreset.EmbeddingReport`: how many were embedded, and which failed and why

    Raises:
        CoresetError: if the collection is empty or not of images, if the model cannot be loaded, if the field holds
            the embeddings of another model, if another process writes to it, or if not a single image could be
            embedded; nothing is written then. Also if the database lost vectors while they were written: call again

    Examples:
        >>> report = fc.compute_embeddings(dataset, "clip_embeddings", model="coreset-mini")
        >>> report.total, report.n_failed
        (60, 0)
    """
    rows = image_rows(samples)
    if tag_failures:
        require_tags(rows)
    for name, value, least in (
        ("batch_size", batch_size, 1),
        ("num_workers", num_workers, 0),
        ("max_pixels", max_pixels, 1),
    ):
        check_count(name, value, least)
    chosen = DEFAULT_MODEL if model is None else model
    spec = resolve_model(chosen, pretrained, checkpoint)
    unharmed = "what was embedded is kept: see that mongod runs, and call again to continue"
    with database_faults(unharmed), field_lock(rows, embeddings_field) as lock:
        field = EmbeddingField(rows, embeddings_field, spec, overwrite, lock, adopt=model is not None)
        files = field.pending()
        total = samples.count("id")
        n_pending = sum(len(file.ids) for file in files)
        report = EmbeddingReport(field.path, str(spec), total, rows.noun, n_present=total - n_pending)
        if files or field.is_unproven:
            with reporting(progress, "Embedding") as tell:
                tell(0.0, f"loading {spec}")
                with embedder_of(spec, chosen, device) as embedder:
                    if field.is_unproven:
                        dimension = require_same_model(field, embedder, max_pixels)
                        if not files:
                            field.open([], dimension, embedder.preprocess, embedder.normalized)
                            field.close()
                    if files:
                        per_batch = _files_per_batch(files, batch_size or embedder.batch_size())
                        workers = choose_workers(num_workers, len(files), per_batch, on_cpu=embedder.on_cpu)
                        found = batches(files, embedder.framing, per_batch, workers, max_pixels)
                        with spare_fingerprint_field(rows, overwrite) as fingerprints:
                            _embed(files, found, embedder, field, fingerprints, report, tell)
        elif field.is_partial:
            field.close()  # a run was killed after its last vector
    if report.failures and tag_failures:
        write_tag(rows, [failure.id for failure in report.failures], tag_failures)
    return report


def image_rows(samples: SampleCollection) -> Rows:
    """Checks that there are images to embed."""
    count = samples.count("id")  # len() of a dataset is an estimate, and 0 after MongoDB was killed
    if count == 0:
        raise CoresetError(f"'{samples.name or samples._root_dataset.name}' has no samples to embed")
    media = "video" if samples._is_clips else samples.media_type
    if media != "image":
        remedy = _REMEDIES.get(media, "render them as images first")
        raise CoresetError(f"CLIP embeds images, but these {count:,} samples are of type '{media}'; {remedy}")
    return Rows(samples)


def _files_per_batch(files: list[ImageFile], batch_size: int) -> int:
    """Objects share files: about as many of them make a batch as images would."""
    return max(1, batch_size * len(files) // sum(len(file.ids) for file in files))


def _embed(
    files: list[ImageFile],
    decoded: Iterator[Batch],
    embedder: Embedder | ZooEmbedder,
    field: EmbeddingField,
    fingerprints: FingerprintField | None,
    report: EmbeddingReport,
    tell: ProgressCallback,
) -> None:
    """Embeds the files batch by batch into the field and fills in the report."""
    n_pending = sum(len(file.ids) for file in files)
    path_of = {row_id: file.path for file in files for row_id in file.ids}
    for batch in decoded:
        report.failures += [dataclasses.replace(failure, path=path_of[failure.id]) for failure in batch.failures]
        if batch.ids:
            vectors = embedder(batch.pixels)
            good = np.isfinite(vectors).all(axis=1)
            ids = [row_id for row_id, ok in zip(batch.ids, good, strict=True) if ok]
            report.failures += [
                _failure(row_id, path_of[row_id], embedder.errors.get(place))
                for place, row_id in enumerate(batch.ids)
                if not good[place]
            ]
            if ids and not report.n_embedded:
                pending = (row_id for file in files for row_id in file.ids)
                field.open(pending, vectors.shape[1], embedder.preprocess, embedder.normalized)
            if fingerprints is not None:  # first: what has an embedding is not decoded again
                taken = [when for when, ok in zip(batch.taken_at, good, strict=True) if ok]
                fingerprints.write(ids, batch.fingerprints[good], taken)
            field.write(ids, vectors[good])
            report.n_embedded += len(ids)
        done = report.n_embedded + report.n_failed
        tell(done / n_pending, f"{done:,} of {n_pending:,} {report.noun}")
    if report.n_embedded:
        if fingerprints is not None:
            fingerprints.close()
        field.close()
    elif not report.n_present:
        first = report.failures[0]
        raise CoresetError(
            f"none of the {report.total:,} {report.noun} could be embedded ({report.failure_counts()}), "
            f"e.g. {first}; nothing was written"
        )


def _failure(row_id: str, path: str, error: str | None) -> Failure:
    """Why a decoded image has no vector."""
    if error is not None:
        return Failure(row_id, Outcome.MODEL_ERROR, error, path)
    return Failure(row_id, Outcome.NON_FINITE, "the model's output is not a finite, non-zero vector", path)
