"""Where labelling stands: which rows have a label, are test images, or are not to be asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..dataset.labels import read_labels
from ..dataset.rows import Rows

#: The tag of images that show none of the classes; other tags to skip say nothing about the image.
OFF_TOPIC = "off_topic"


@dataclass(frozen=True)
class Standing:
    """The rows of a collection at one moment.

    Attributes:
        rows: the rows
        ids: (n,) their ids
        labels: n labels, test images included; None where there is none
        test: (n,) bool, test images
        skipped: (n,) bool, rows with a tag to skip and no label, off-topic ones included
        off_topic: (n,) bool, those that show none of the classes
        notes: what a person should know about the labels, in sentences
    """

    rows: Rows
    ids: np.ndarray
    labels: list[str | None]
    test: np.ndarray
    skipped: np.ndarray
    off_topic: np.ndarray
    notes: list[str]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def has_label(self) -> np.ndarray:
        """(n,) bool, rows with a label, test images included."""
        return np.array([label is not None for label in self.labels], dtype=bool)

    @property
    def labelled(self) -> np.ndarray:
        """(n,) bool, rows with a label that are no test images: a campaign learns from these."""
        return self.has_label & ~self.test

    @property
    def labels_per_class(self) -> dict[str, int]:
        """Class -> labels, test images not counted."""
        counts = Counter(label for label, mine in zip(self.labels, self.labelled, strict=True) if mine and label)
        return dict(sorted(counts.items()))

    def known(self, usable: np.ndarray) -> list[str | None]:
        """The labels to learn from: n labels, None in test images and rows that are not usable."""
        return [label if mine else None for label, mine in zip(self.labels, self.labelled & usable, strict=True)]


def read_standing(rows: Rows, label_field: str, test: str | None, skip: Sequence[str]) -> Standing:
    """Reads labels and tags.

    Args:
        rows: the rows
        label_field: where labels are; it need not exist yet
        test: the tag of test images, or None
        skip: tags of images that are not asked for

    Returns:
        where labelling stands; a row that is a test image is nothing else

    Raises:
        CoresetError: if the field holds no single label
    """
    ids = np.array(rows.ids())
    tags = [set(found or ()) for found in rows.values("tags")]
    stored = read_labels(rows, label_field) if rows.has(label_field) else [None] * len(ids)
    labels = [label if label is not None and label.strip() else None for label in stored or []]
    is_test = np.array([test in found for found in tags], dtype=bool)
    has_label = np.array([label is not None for label in labels], dtype=bool)
    off_topic = np.array([OFF_TOPIC in found for found in tags], dtype=bool) & (OFF_TOPIC in skip)
    skipped = np.array([bool(found.intersection(skip)) for found in tags], dtype=bool) & ~is_test & ~has_label
    notes = _notes(rows, label_field, stored or [], labels)
    return Standing(rows, ids, labels, is_test, skipped, off_topic & skipped, notes)


def describe_standing(rows: Rows, label_field: str, test: str | None) -> str:
    """Where labelling stands, in one sentence.

    Args:
        rows: the rows
        label_field: where labels are; it need not exist yet
        test: the tag of test images, or None
    """
    total = len(rows)
    reserved = sum(test in (tags or ()) for tags in rows.values("tags"))
    labels = read_labels(rows, label_field) if rows.has(label_field) else []
    counts = Counter(label for label in labels or [] if label is not None and label.strip())
    n_labels = counts.total()
    tail = f"; {reserved:,} are test images" if reserved else "; no test images are reserved"
    return f"{n_labels:,} of {total:,} {rows.noun} have a label, in {len(counts):,} classes{tail}"


def _notes(rows: Rows, label_field: str, stored: Sequence[str | None], labels: Sequence[str | None]) -> list[str]:
    if not rows.has(label_field):
        return [f"there is no field '{label_field}' yet"]
    notes = []
    empty = sum(label is not None and not label.strip() for label in stored)
    if empty:
        notes.append(f"{empty:,} labels are empty and count as none")
    classes = {label for label in labels if label is not None}
    alike = Counter(name.strip() for name in classes)
    for name in sorted(name for name, count in alike.items() if count > 1):
        forms = " and ".join(repr(form) for form in sorted(classes) if form.strip() == name)
        notes.append(f"{forms} count as different classes")
    return notes
