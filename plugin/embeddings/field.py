"""The field that embeddings are kept in: what it lacks, and writing to it without mixing models."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from ..dataset.journal import journal
from ..dataset.lock import Lock, locked
from ..dataset.owned import declare_lastingly, values_by_id
from ..dataset.rows import FRAMES, Rows
from ..errors import CoresetError
from .record import INSTANCE, ClipSpec, make_record, record_of, write_record
from .workers import ImageFile

#: Vectors cleared in one request to the database.
_CLEAR_AT_ONCE = 10_000


def field_lock(rows: Rows, name: str) -> AbstractContextManager[Lock]:
    """The right to write embeddings into a field: one writer at a time, so that it never holds two models."""
    path = rows.path(name)
    return locked(rows.dataset, f"field:{path}", f"field '{path}'")


class EmbeddingField:
    """A vector field that holds the embeddings of one model only.

    Args:
        rows: the images or objects to embed
        name: the field, of the samples or of the objects
        spec: the model that will write to it
        overwrite: whether embeddings that are there are to be replaced
        lock: the lock on the field; it is checked before each write
        adopt (False): whether vectors without a record may stay, if the model proves to have made them

    Raises:
        CoresetError: if the field holds something else, or if writing to it would mix two models
    """

    def __init__(
        self,
        rows: Rows,
        name: str,
        spec: ClipSpec,
        overwrite: bool,
        lock: Lock,
        adopt: bool = False,
    ):
        import fiftyone as fo

        self.rows = rows
        self.name = name
        self.path = rows.path(name)
        self.spec = spec
        self.overwrite = overwrite
        self.lock = lock
        self._written: set[str] = set()
        record = self._record = record_of(rows, name)
        if record is not None and not rows.has(name):
            rows.dataset._reload(hard=True)  # another process added the field
        self._exists = rows.has(name)
        self._sample_ids: dict[str, str] = {}  # of the objects to embed
        #: Whether a few vectors must be computed again before others may stand beside them.
        self.is_unproven = False
        if not self._exists:
            _check_name(name)
            return
        declared = rows.dataset.get_field(self.path)
        if not isinstance(declared, fo.VectorField):
            raise CoresetError(
                f"field '{self.path}' is a {type(declared).__name__}; give embeddings a field of their own"
            )
        same = record is not None and spec.same_weights(ClipSpec.of(record))
        if (same and spec.library == INSTANCE) or (record is None and adopt):
            self.is_unproven = not overwrite and self._whole().count(self.path) > 0
        if not same and not self.is_unproven:
            self._check_mix(ClipSpec.of(record) if record else None)

    @property
    def is_partial(self) -> bool:
        """Whether the last run that wrote to the field did not finish."""
        return self._record is not None and self._record["state"] == "partial"

    def pending(self) -> list[ImageFile]:
        """The files to embed: all when overwriting, else those without an embedding."""
        wanted = None if self.overwrite or not self._exists else self._missing()
        files, self._sample_ids = image_files(self.rows, wanted)
        return files

    def examples(self, count: int) -> tuple[list[ImageFile], dict[str, np.ndarray]]:
        """Some rows of the dataset that have a vector, from its beginning to its end.

        Args:
            count: how many

        Returns:
            a tuple of their files and their vectors by id; a file may hold other objects too
        """
        by_id = values_by_id(self.rows.dataset, self.rows.patches_field, self.path)
        ids = list(by_id)
        chosen = {ids[place] for place in np.linspace(0, len(ids) - 1, min(count, len(ids))).astype(int)}
        whole = Rows(self._whole(), self.rows.patches_field).select(list(chosen)).as_patches()
        return image_files(whole, chosen)[0], {row_id: by_id[row_id] for row_id in chosen}

    def open(self, ids: Iterable[str], dimension: int, preprocess: Mapping[str, Any], normalized: bool = True) -> None:
        """Makes the field ready for the first vectors.

        Vectors to be replaced go first, then the record names the new model: whenever the process dies, all vectors
        in the field are of the model on record.

        Args:
            ids: the rows that will be written
            dimension: length of the vectors
            preprocess: the model's preprocessing
            normalized (True): whether the vectors have unit length
        """
        self.lock.check()
        declare_lastingly(self.rows.dataset, {self.path}, lambda: self.rows.declare(self.name, _vector_field()))
        if self.overwrite and self._exists:
            written = list(ids)
            for start in range(0, len(written), _CLEAR_AT_ONCE):
                self._set(dict.fromkeys(written[start : start + _CLEAR_AT_ONCE]))
        self._exists = True
        self._record = make_record(self.spec, dimension, preprocess, normalized)
        write_record(self.rows, self.name, self._record, "partial")
        journal()  # vectors of a field that the database forgot would have no record

    def write(self, ids: Sequence[str], vectors: np.ndarray) -> None:
        """Writes one vector for each row."""
        self.lock.check()
        self._written.update(ids)
        self._set(dict(zip(ids, vectors, strict=True)))

    def close(self) -> None:
        """Notes that the run is finished, once the database has and keeps what was written.

        Raises:
            CoresetError: if it lost vectors that it had acknowledged, because it was killed and started again
        """
        assert self._record is not None
        self.lock.check()
        journal()
        lost = self._written & self._missing()
        if lost:
            raise CoresetError(
                f"the database lost {len(lost):,} of {len(self._written):,} embeddings in field '{self.path}': it was "
                "killed and started again meanwhile; call again to compute those"
            )
        write_record(self.rows, self.name, self._record, "complete")
        journal()
        if self.rows.patches_field is not None:
            self.rows.samples.reload()  # a patches view is a copy of the objects

    def _set(self, values: Mapping[str, np.ndarray | None]) -> None:
        """Writes values by row id."""
        if self.rows.patches_field in (None, FRAMES):
            self.rows.set_values(self.name, values)
            return
        # by sample and label: without the sample, FiftyOne would search the whole dataset for each batch
        self.rows.dataset.set_label_values(
            self.path,
            [
                {"sample_id": self._sample_ids[label_id], "label_id": label_id, "value": value}
                for label_id, value in values.items()
            ],
        )

    def _check_mix(self, there: ClipSpec | None) -> None:
        """Refuses to put vectors of a second model beside those that stay."""
        n = self._whole().count(self.path)
        if n == 0:
            return
        origin = there or "a model that is not recorded"
        if not self.overwrite:
            raise CoresetError(
                f"field '{self.path}' holds {n:,} embeddings of {origin}, which must not be mixed with those of "
                f"{self.spec}; choose another field, overwrite=True to replace them, or model= the one that made them"
            )
        left = n - (len(self.rows) - len(self._missing()))
        if left:
            raise CoresetError(
                f"overwriting these {len(self.rows):,} {self.rows.noun} in field '{self.path}' would leave "
                f"{left:,} embeddings of {origin} beside those of {self.spec}; overwrite the whole dataset, or choose "
                "another field"
            )

    def _whole(self) -> Any:
        """All samples of the dataset, of all slices."""
        dataset = self.rows.dataset
        return dataset.select_group_slices(_allow_mixed=True) if dataset.media_type == "group" else dataset

    def _missing(self) -> set[str]:
        """Ids of the rows without a vector."""
        import fiftyone as fo

        ids = set(self.rows.ids())
        if not self._exists:
            return ids
        if self.rows.patches_field == FRAMES:
            there = values_by_id(self.rows.dataset, FRAMES, self.path)
            return ids - set(there)
        if self.rows.patches_field is None:
            return set(self.rows.samples.exists(self.name, False).values("id"))
        lacking = self.rows.source.filter_labels(self.rows.patches_field, fo.ViewField(self.name) == None)  # noqa: E711
        return ids & set(lacking.values(self.rows.path("id"), unwind=True))


def image_files(rows: Rows, wanted: set[str] | None = None) -> tuple[list[ImageFile], dict[str, str]]:
    """The files that rows are, or are objects in.

    Args:
        rows: the images, or the objects of a patches view
        wanted (None): ids of the rows that are asked for; all by default

    Returns:
        a tuple of the files and, for objects, the sample ids by their ids
    """
    if rows.patches_field in (None, FRAMES):
        columns = zip(*rows.samples.values(["id", "filepath"]), strict=True)
        return [ImageFile(path, [row_id]) for row_id, path in columns if wanted is None or row_id in wanted], {}
    objects: dict[str, tuple[list[str], list[Sequence[float]]]] = defaultdict(lambda: ([], []))
    sample_ids = {}
    columns = rows.samples.values(["id", "sample_id", "filepath"])
    for row_id, sample_id, path, box in zip(*columns, _boxes(rows), strict=True):
        if wanted is None or row_id in wanted:
            objects[path][0].append(row_id)
            objects[path][1].append(box)
            sample_ids[row_id] = sample_id
    return [ImageFile(path, ids, boxes) for path, (ids, boxes) in objects.items()], sample_ids


def _boxes(rows: Rows) -> list[Sequence[float]]:
    """The objects' bounding boxes."""
    import fiftyone as fo

    field = rows.patches_field
    label_type = rows.dataset._get_label_field_type(field)
    if label_type is fo.Detections:
        return rows.samples.values(f"{field}.bounding_box")
    if label_type is fo.Polylines:
        return [_bounding_box(points) for points in rows.samples.values(f"{field}.points")]
    raise CoresetError(
        f"objects of field '{field}' have no extent ({label_type.__name__}); embed detections or polylines"
    )


def _bounding_box(shapes: Sequence[Sequence[Sequence[float]]]) -> Sequence[float]:
    points = np.array([point for shape in shapes for point in shape], dtype=float).reshape(-1, 2)
    if not len(points):
        return (0.0, 0.0, 0.0, 0.0)
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    return (left, top, right - left, bottom - top)


def _vector_field() -> type:
    import fiftyone as fo

    return fo.VectorField


def _check_name(name: str) -> None:
    from fiftyone.core.odm import validate_field_name

    try:
        if isinstance(name, str) and "." in name:
            raise ValueError("it must not contain '.'")
        validate_field_name(name)
    except ValueError as error:
        raise CoresetError(f"'{name}' cannot be a field name: {error}") from error
