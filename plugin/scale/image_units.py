"""Units of images: decoded and embedded as ``compute_embeddings`` does it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from ..embeddings.decode import Decoded, decode
from ..embeddings.loading import batches, choose_workers
from ..embeddings.record import ClipSpec, make_record
from ..embeddings.report import Outcome
from ..embeddings.workers import DecodingProcess
from .fetching import Fetch
from .table import UnitRows
from .tables import ListedTables

if TYPE_CHECKING:
    from ..embeddings.embedder import Embedder
    from ..embeddings.zoo import ZooEmbedder
    from .parts import Stage

#: Images by which the speed is measured before a run starts.
_PROBE = 16


class ImageUnits:
    """Turns units of image files into vectors.

    Args:
        manifest: the rows of all units
        column: the column of a table that holds them, or None for files
        spec: the model
        embedder: it, at work
        batch_size: images in a batch, or None for what suits the model
        num_workers: processes that decode, or None for what suits the machine
        max_pixels: larger images are not decoded
        cores: that may be used, or None for all of the machine
    """

    def __init__(
        self,
        manifest: Stage,
        column: str | None,
        spec: ClipSpec,
        embedder: Embedder | ZooEmbedder,
        batch_size: int | None,
        num_workers: int | None,
        max_pixels: int,
        cores: int | None,
    ) -> None:
        self._manifest = manifest
        self._column = column
        self._spec = spec
        self._embedder = embedder
        self._batch_size = batch_size or embedder.batch_size()
        self._num_workers = num_workers
        self._max_pixels = max_pixels
        self._cores = cores
        self._tables = ListedTables()

    def __call__(self, unit: int) -> UnitRows:
        """Embeds a unit and says what became of every row."""
        rows, facts = self._manifest.part(unit)
        found = UnitRows(rows)
        fetch = Fetch(rows, facts["origin"], self._column, self._tables)
        workers = self._workers(len(rows))
        options = (self._embedder.framing, self._batch_size, workers, self._max_pixels, fetch)
        for batch in batches(fetch.files, *options):
            for failure in batch.failures:
                found.fail(int(failure.id), failure.outcome, failure.reason)
            if not batch.ids:
                continue
            vectors = self._embedder(batch.pixels)
            good = np.isfinite(vectors).all(axis=1)
            places = np.array(batch.ids, dtype=np.int64)
            found.succeed(places[good], vectors[good])
            for place in np.flatnonzero(~good):
                error = self._embedder.errors.get(int(place))
                outcome = Outcome.NON_FINITE if error is None else Outcome.MODEL_ERROR
                found.fail(places[place], outcome, error or "the model's output is not a finite, non-zero vector")
        return found

    def record(self, dimension: int) -> dict[str, Any]:
        """What a field of these vectors says of its model."""
        return make_record(self._spec, dimension, self._embedder.preprocess, self._embedder.normalized)

    def probe(self, unit: int) -> tuple[float, int | None]:
        """Measures on the first images of a unit.

        Returns:
            a tuple of the seconds that an image takes by the clock, and the length of a vector; None if none can be
            embedded
        """
        rows, facts = self._manifest.part(unit)
        workers = self._workers(len(rows))
        fetch = Fetch(rows.slice(0, _PROBE + 1), facts["origin"], self._column, self._tables)
        outcomes, decoding = self._decode(fetch, workers)
        pixels = [found[0].pixels for found in outcomes if found[0].pixels is not None]
        if not pixels:
            return 0.0, None
        one_size = len({image.shape for image in pixels}) == 1
        batch: Any = np.stack(pixels) if one_size else pixels
        dimension = self._embedder(batch[:1]).shape[1]  # the first call of a model is slow, so it is not measured
        started = time.perf_counter()
        self._embedder(batch)
        embedding = (time.perf_counter() - started) / len(pixels)
        return decoding + embedding if self._embedder.on_cpu else max(decoding, embedding), dimension

    def _decode(self, fetch: Fetch, workers: int) -> tuple[list[list[Decoded]], float]:
        """Decodes some files, and says how long one takes by the clock."""
        framing, files = self._embedder.framing, fetch.files
        if not workers:
            started = time.perf_counter()
            outcomes = [decode(file.source, framing, max_pixels=self._max_pixels) for file in fetch(files)]
            return outcomes, (time.perf_counter() - started) / len(files)
        process = DecodingProcess(framing, self._max_pixels)
        try:
            first = process.decode(fetch(files[:1]))  # starts the process
            started = time.perf_counter()
            outcomes = process.decode(fetch(files[1:])) or first
            return outcomes, (time.perf_counter() - started) / len(outcomes) / workers
        finally:
            process.close()

    def _workers(self, n_files: int) -> int:
        on_cpu = self._embedder.on_cpu
        return choose_workers(self._num_workers, n_files, self._batch_size, on_cpu, self._cores)
