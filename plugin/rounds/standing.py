"""Where labelling stands: which rows have a label, are test images, or are not to be asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..dataset.boxes import holds_boxes, read_drawn_boxes
from ..dataset.labels import read_labels, read_numbers
from ..dataset.rows import Rows
from ..errors import CoresetError

#: The tag of images that show none of the classes; other tags to skip say nothing about the image.
OFF_TOPIC = "off_topic"


@dataclass(frozen=True)
class Standing:
    """The rows of a collection at one moment.

    Attributes:
        rows: the rows
        ids: (n,) their ids
        labels: n labels, test images included; None where there is none. Of boxes they say how many there are of what
        test: (n,) bool, test images
        skipped: (n,) bool, rows with a tag to skip and no label, off-topic ones included
        off_topic: (n,) bool, those that show none of the classes
        notes: what a person should know about the labels, in sentences
        boxes: class -> boxes of every image, None in images without label; None if labels are no boxes
        numbers: (n,) float64 labels that are numbers, NaN where there is none; None if labels are no numbers
    """

    rows: Rows
    ids: np.ndarray
    labels: list[str | None]
    test: np.ndarray
    skipped: np.ndarray
    off_topic: np.ndarray
    notes: list[str]
    boxes: list[Counter[str] | None] | None = None
    numbers: np.ndarray | None = None

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
        """Class -> labels, or boxes, test images not counted; nothing if labels are numbers."""
        if self.numbers is not None:
            return {}
        if self.boxes is not None:
            mine = (found for found, is_mine in zip(self.boxes, self.labelled, strict=True) if is_mine and found)
            return dict(sorted(sum(mine, Counter[str]()).items()))
        counts = Counter(label for label, mine in zip(self.labels, self.labelled, strict=True) if mine and label)
        return dict(sorted(counts.items()))

    def known(self, usable: np.ndarray) -> list[str | None]:
        """The labels to learn from: n labels, None in test images and rows that are not usable.

        Raises:
            CoresetError: if labels are boxes or numbers
        """
        if self.boxes is not None:
            raise CoresetError("labels are boxes, several an image, and this needs one label an image")
        if self.numbers is not None:
            raise CoresetError("labels are numbers, and this needs classes")
        return [label if mine else None for label, mine in zip(self.labels, self.labelled & usable, strict=True)]


def read_standing(rows: Rows, label_field: str, test: str | None, skip: Sequence[str]) -> Standing:
    """Reads labels and tags, and holds the rows: what is read of them later is of the same ones.

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
    rows.hold()
    ids = np.array(rows.ids())
    tags = [set(found or ()) for found in rows.values("tags")]
    boxes = read_drawn_boxes(rows, label_field) if holds_boxes(rows, label_field) else None
    numbers = read_numbers(rows, label_field)
    stored = _stored(rows, label_field, boxes, numbers)
    labels = [label if label is not None and label.strip() else None for label in stored]
    is_test = np.array([test in found for found in tags], dtype=bool)
    has_label = np.array([label is not None for label in labels], dtype=bool)
    off_topic = np.array([OFF_TOPIC in found for found in tags], dtype=bool) & (OFF_TOPIC in skip)
    skipped = np.array([bool(found.intersection(skip)) for found in tags], dtype=bool) & ~is_test & ~has_label
    notes = _notes(rows, label_field, stored, labels) if boxes is None else []
    known = None if numbers is None else np.array(numbers, dtype=np.float64)
    return Standing(rows, ids, labels, is_test, skipped, off_topic & skipped, notes, boxes, known)


def _stored(
    rows: Rows, label_field: str, boxes: list[Counter[str] | None] | None, numbers: list[float | None] | None
) -> list[str | None]:
    """The label of every row as it is stored; of boxes how many there are of what."""
    if numbers is not None:
        return [None if value is None else str(value) for value in numbers]
    if boxes is not None:
        return [None if found is None else _words(found) for found in boxes]
    return (read_labels(rows, label_field) if rows.has(label_field) else None) or [None] * len(rows)


def _words(boxes: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(boxes.items())) or "no box"


def describe_standing(
    rows: Rows,
    label_field: str,
    test: str | None,
    skip: Sequence[str] = (),
    predictions: str | None = None,
    classes: Sequence[str] | None = None,
) -> str:
    """Where labelling stands, in one sentence. Labels of test images teach nothing, so they are not counted.

    Args:
        rows: the rows
        label_field: where labels are; it need not exist yet
        test: the tag of test images, or None
        skip (()): tags of images that are not asked for
        predictions (None): a field of images with predictions, of which it is said how many there are
        classes (None): all that there are; by default those that the dataset names for the field, if any
    """
    standing = read_standing(rows, label_field, test, skip)
    seen = set(standing.labels_per_class)
    known = classes or rows.dataset.classes.get(label_field) or rows.dataset.default_classes
    share = f"{len(seen):,} of {len(seen.union(known)):,}" if known else f"{len(seen):,}"
    kinds = "" if standing.numbers is not None else f", in {share} classes"
    reserved, others = int(standing.test.sum()), int((~standing.test).sum())
    tail = f"{reserved:,} more are test images" if reserved else "no test images are reserved"
    free = ~standing.has_label & ~standing.test & ~standing.skipped
    of_these = ""
    if predictions is not None and rows.patches_field is None and rows.has(predictions):
        predicted = np.isin(standing.ids, rows.samples.exists(predictions).values("id"))
        of_these = f", predictions for {(free & predicted).sum():,} of them"
    return (
        f"{standing.labelled.sum():,} of {others:,} {rows.noun} have a label{kinds}; {tail}; {free.sum():,} to choose "
        f"from{of_these}"
    )


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
