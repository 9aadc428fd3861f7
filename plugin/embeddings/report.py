"""What became of every image: the outcome of an embedding run."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from enum import Enum


class Outcome(str, Enum):
    """What became of one image or object."""

    OK = "ok"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    UNDECODABLE = "undecodable"
    NON_FINITE = "non-finite"
    MODEL_ERROR = "model error"


@dataclass(frozen=True)
class Failure:
    """One image or object without an embedding, and why.

    Args:
        id: the sample id, or the label id of an object
        outcome: what kind of failure
        reason: one sentence for a person
        path (""): the image file
    """

    id: str
    outcome: Outcome
    reason: str
    path: str = ""

    def __str__(self) -> str:
        return f"{self.path} ({self.id}): {self.reason}" if self.path else f"{self.id}: {self.reason}"


@dataclass(repr=False)
class EmbeddingReport:
    """The result of :func:`fiftyone_coreset.compute_embeddings`.

    Args:
        field: path of the field within the dataset
        model: the model and its weights, e.g. ``"ViT-B-32 (openai)"``
        total: number of images or objects asked for
        noun ("images"): what was embedded
        n_present (0): how many had their embedding before
        n_embedded (0): how many were embedded by this call
        failures: those that could not be embedded

    Examples:
        >>> report = fc.compute_embeddings(dataset, "clip_embeddings", model="coreset-mini")
        >>> print(report)
        clip_embeddings: 0 of 60 images embedded with coreset-mini...; 60 had an embedding already
    """

    field: str
    model: str
    total: int
    noun: str = "images"
    n_present: int = 0
    n_embedded: int = 0
    failures: list[Failure] = dataclasses.field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """The number of images by outcome; ``"ok"`` counts those embedded by this call."""
        failed = Counter(failure.outcome for failure in self.failures)
        return {outcome.value: failed[outcome] for outcome in Outcome} | {Outcome.OK.value: self.n_embedded}

    @property
    def n_failed(self) -> int:
        """How many have no embedding."""
        return len(self.failures)

    def failure_counts(self) -> str:
        """The failures in words, e.g. ``"2 missing, 1 undecodable"``.

        Examples:
            >>> dataset.add_samples([fo.Sample(filepath="/photos/moved.jpg")])
            [...]
            >>> fc.compute_embeddings(dataset, "clip_embeddings", model="coreset-mini").failure_counts()
            '1 missing'
        """
        counts = {name: n for name, n in self.counts.items() if name != Outcome.OK.value and n}
        return ", ".join(f"{n:,} {name}" for name, n in counts.items())

    def __str__(self) -> str:
        lines = [f"{self.field}: {self.n_embedded:,} of {self.total:,} {self.noun} embedded with {self.model}"]
        if self.n_present:
            lines.append(f"{self.n_present:,} had an embedding already")
        if self.failures:
            first = self.failures[0]
            lines.append(f"{self.n_failed:,} failed ({self.failure_counts()}), e.g. {first}")
        return "; ".join(lines)

    __repr__ = __str__  # what a notebook shows
