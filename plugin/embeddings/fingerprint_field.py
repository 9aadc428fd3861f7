"""The field that fingerprints are kept in: one for a dataset, since they depend on no model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime

import numpy as np

from ..dataset.lock import Lock, LockTakenError
from ..dataset.owned import declare_lastingly
from ..dataset.rows import Rows
from ..errors import CoresetError
from .field import EmbeddingField, field_lock
from .fingerprint import SIDE
from .record import ClipSpec, record_of

#: Name of the field, of the samples or of the objects.
FINGERPRINT_FIELD = "coreset_fingerprint"

#: Beside it, when a picture was taken; declared with the first picture whose EXIF data say so.
TAKEN_AT_FIELD = "coreset_taken_at"

#: What its record names instead of a model; another kind of fingerprint will have another name.
_SPEC = ClipSpec(f"grey-{SIDE}x{SIDE}")


class FingerprintField:
    """Fingerprints as they are taken: those that are missing are written, or all of them.

    Args:
        rows: the images or objects
        overwrite: whether fingerprints that are there are to be replaced
        lock: the lock on the field

    Raises:
        CoresetError: if a field of this name, or of the times, holds something else
    """

    def __init__(self, rows: Rows, overwrite: bool, lock: Lock):
        import fiftyone as fo

        declared = rows.dataset.get_field(TAKEN_AT_FIELD)
        if not isinstance(declared, fo.DateTimeField | None):
            raise CoresetError(
                f"field '{TAKEN_AT_FIELD}' is a {type(declared).__name__}; the times of the pictures are kept there, "
                "so rename or delete it"
            )
        self._rows = rows
        self._field = EmbeddingField(rows, FINGERPRINT_FIELD, _SPEC, overwrite, lock)
        self.pending = self._field.pending()
        self._wanted = {row_id for file in self.pending for row_id in file.ids}
        self._is_open = False

    @property
    def path(self) -> str:
        """The path of the field within the dataset."""
        return self._field.path

    @property
    def is_partial(self) -> bool:
        """Whether the last run that wrote to the field did not finish."""
        return self._field.is_partial

    def write(self, ids: Sequence[str], fingerprints: np.ndarray, taken_at: Sequence[datetime | None]) -> None:
        """Writes the (m, 256) uint8 fingerprints of m rows, as far as they are wanted, and when each was taken."""
        chosen = [place for place, row_id in enumerate(ids) if row_id in self._wanted]
        if not chosen:
            return
        if not self._is_open:
            self._field.open(self._wanted, fingerprints.shape[1], {"size": SIDE}, normalized=False)
            self._is_open = True
        self._write_times({ids[place]: taken_at[place] for place in chosen})
        self._field.write([ids[place] for place in chosen], fingerprints[chosen])

    def _write_times(self, times: dict[str, datetime | None]) -> None:
        import fiftyone as fo

        if any(times.values()) or self._rows.has(TAKEN_AT_FIELD):  # also those that a changed file no longer has
            declare_lastingly(
                self._rows.dataset, {TAKEN_AT_FIELD}, lambda: self._rows.declare(TAKEN_AT_FIELD, fo.DateTimeField)
            )
            self._rows.set_values(TAKEN_AT_FIELD, times)

    def close(self) -> None:
        """Notes that the run is finished, see :meth:`.EmbeddingField.close`."""
        if self._is_open or self.is_partial:
            self._field.close()


@contextmanager
def fingerprint_field(rows: Rows, overwrite: bool) -> Iterator[FingerprintField]:
    """The right to write fingerprints.

    Raises:
        CoresetError: if another process writes them
    """
    with field_lock(rows, FINGERPRINT_FIELD) as lock:
        yield FingerprintField(rows, overwrite, lock)


@contextmanager
def spare_fingerprint_field(rows: Rows, overwrite: bool) -> Iterator[FingerprintField | None]:
    """The right to write fingerprints beside other work, or None while another process writes the same ones."""
    with ExitStack() as stack:
        try:
            field: FingerprintField | None = stack.enter_context(fingerprint_field(rows, overwrite))
        except LockTakenError:
            field = None
        yield field


def no_fingerprints(n: int) -> tuple[np.ndarray, np.ndarray]:
    """What :func:`read_fingerprints` gives of ``n`` rows of which none has a fingerprint, where others have."""
    return np.zeros((n, SIDE * SIDE), dtype=np.uint8), np.zeros(n, dtype=bool)


def read_fingerprints(rows: Rows) -> tuple[np.ndarray, np.ndarray] | None:
    """Reads the fingerprints of rows.

    Args:
        rows: the images or objects

    Returns:
        a tuple of (n, 256) uint8 fingerprints and (n,) bool, True in rows that have one; None if no row has
    """
    record = record_of(rows, FINGERPRINT_FIELD)
    if record is None or not _SPEC.same_weights(ClipSpec.of(record)) or not rows.has(FINGERPRINT_FIELD):
        return None
    values = rows.vectors(FINGERPRINT_FIELD)
    there = np.array([value is not None for value in values], dtype=bool)
    if not there.any():
        return None
    found = no_fingerprints(len(values))[0]
    for row in np.flatnonzero(there):
        found[row] = values[row]
    return found, there
