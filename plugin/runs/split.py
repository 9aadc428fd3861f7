"""``split_by_coverage``: training, validation and test parts that share nothing and each look like the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dataset.arguments import resolve_arguments
from ..dataset.embeddings import DEFAULT_FIELD, EmbeddingSource
from ..dataset.labels import read_labels
from ..dataset.lock import database_faults
from ..dataset.names import require_free_field, require_identifier
from ..dataset.rows import Rows, counted, group_members, have_pixels, rows_of
from ..dataset.shown import view_of
from ..dataset.tags import require_tags, tagged, write_tag
from ..diagnostics.balance import Groups, retention
from ..diagnostics.distribution import DistributionShift
from ..diagnostics.metric import Metric, RandomBand
from ..diagnostics.tables import Content, html_card, markdown_card, number, percent, text_card
from ..errors import CoresetError
from ..progress import ProgressCallback, reporting
from ..requirements import check_count, require
from ..seeds import check_seed
from ..selection.split import Traits, joined, split
from ..vectors.near_duplicates import near_duplicates
from ..vectors.neighbors import unit_rows
from ..vectors.points import Points
from .near_duplicates import find_near_copies
from .plain_fields import write_field

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.view import DatasetView

#: Random splits of the same sizes that every part is compared with.
_N_RANDOM = 20
#: Images that distributions are compared on.
_COMPARED = 1_000
#: What is measured of every part.
_MEANING = {
    "energy_distance": "shift of the part's distribution from the whole's; 0 is none",
    "class_kl": "divergence of the part's class shares from the whole's; 0 is proportional",
}


@dataclass(frozen=True, repr=False)
class CoverageSplit:
    """A split; prints as a table.

    Attributes:
        samples: the collection that was split
        parts: name -> ids of its samples (objects), in the collection's order
        fractions: name -> the share that was asked for
        metrics: name -> metric -> :class:`~fiftyone_coreset.plugin.diagnostics.metric.Metric`, beside random splits:
            ``"energy_distance"`` from the whole, and ``"class_kl"`` where there are labels
        n_together: images that are kept together with others
        without_embedding: images without a usable embedding; they are in no part
        without_fingerprint: images without a fingerprint; they are kept together with their look-alikes
        noun: ``"images"``, ``"objects"``, ``"frames"`` or ``"groups"``
        patches_field: the label field whose objects were split, or None

    Examples:
        >>> split = fc.split_by_coverage(dataset, {"train": 0.5, "test": 0.5})
        >>> sum(len(ids) for ids in split.parts.values())
        60
    """

    samples: SampleCollection
    parts: dict[str, list[str]]
    fractions: dict[str, float]
    metrics: dict[str, dict[str, Metric]]
    n_together: int
    without_embedding: int
    without_fingerprint: int
    noun: str
    patches_field: str | None = None

    def view(self, name: str) -> DatasetView:
        """A part as a view.

        Raises:
            CoresetError: if there is no such part

        Examples:
            >>> len(fc.split_by_coverage(dataset).view("val"))
            6
        """
        if name not in self.parts:
            raise CoresetError(f"there is no part {name!r}; the parts are {', '.join(self.parts)}")
        return view_of(Rows(self.samples, self.patches_field), self.parts[name])

    def summary(self) -> str:
        """What was split how, in sentences.

        Examples:
            >>> print(fc.split_by_coverage(dataset).summary())
            60 images were split: train 48 (80 %), val 6 (10 %), test 6 (10 %); 12 of them are kept together...
        """
        noun, total = self.noun, sum(map(len, self.parts.values()))
        parts = ", ".join(f"{name} {len(ids):,} ({percent(len(ids) / total)})" for name, ids in self.parts.items())
        text = f"{total:,} {noun} were split: {parts}; {self.n_together:,} of them are kept together with others."
        if self.without_embedding:
            text += f" {self.without_embedding:,} have no usable embedding and are in no part."
        if not have_pixels(noun):
            text += " Look-alikes are kept together."
        elif self.without_fingerprint:
            told = counted(self.without_fingerprint, noun)
            text += f" {told} without a fingerprint are kept together with look-alikes: call compute_fingerprints."
        return text

    def __str__(self) -> str:
        return text_card([self._table()], [self.summary()])

    def _repr_html_(self) -> str:
        return html_card([self._table()], [self.summary()])

    def to_markdown(self) -> str:
        """The table as Markdown.

        Examples:
            >>> print(fc.split_by_coverage(dataset).to_markdown())
            **Split by coverage**...
        """
        return markdown_card([self._table()], [self.summary()])

    def __repr__(self) -> str:
        return f"<CoverageSplit: {', '.join(self.parts)}; print it to read it>"

    def _table(self) -> Content:
        total = sum(map(len, self.parts.values()))
        named = list(dict.fromkeys(metric for metrics in self.metrics.values() for metric in metrics))
        rows = []
        for name, ids in self.parts.items():
            cells = [f"{len(ids):,}", percent(self.fractions[name]), percent(len(ids) / total)]
            for metric in named:
                found = self.metrics[name][metric]
                cells.append(f"{number(found.value)} ({number(found.random_mean)})")
            rows.append([name, *cells, ""])
        caption = "In brackets: the mean of random splits into parts of these sizes."
        return "Split by coverage", ("part", "images", "asked for", "share", *named, ""), rows, caption


def split_by_coverage(
    samples: SampleCollection,
    fractions: Mapping[str, float] | None = None,
    embeddings: Any = DEFAULT_FIELD,
    *,
    similarity_index: Any = None,
    groups: Any = None,
    label_field: str | None = None,
    tag: bool = False,
    field: str | None = None,
    overwrite: bool = False,
    seed: int = 0,
    num_workers: int | None = None,
    progress: bool | ProgressCallback | None = None,
) -> CoverageSplit:
    """Splits images (or objects) into parts that share nothing and each look like the whole.

    Near-copies, told by fingerprints, are never in two parts, nor are images of one group, e.g. of one patient or one
    recording. An image without a fingerprint is kept together with its look-alikes. Every part gets its share of every
    class and of every region of the embedding space, so it represents the whole better than a random part of its size.
    Nothing is written unless asked for.

    Args:
        samples: a dataset, a view, or a ``to_patches()`` or ``to_frames()`` view
        fractions (None): name -> share of each part, which add up to 1; by default ``{"train": 0.8, "val": 0.1, "test":
            0.1}``
        embeddings ("clip_embeddings"): what :func:`~fiftyone_coreset.compute_coreset` takes; rows without a usable
            vector are in no part
        similarity_index (None): the brain key of a similarity index, or a loaded one, instead of ``embeddings``
        groups (None): a field, or one value a row, of what must stay together; rows without a value are on their own
        label_field (None): a label field, whose classes are to be in every part
        tag (False): whether to tag the samples (objects) with the names of their parts
        field (None): a field to write the name of the part to
        overwrite (False): whether tags and a field of these names may be there; they are replaced
        seed (0): the random seed
        num_workers (None): threads; the result does not depend on it
        progress (None): a bar (True/False), a function ``(fraction, message)``, or FiftyOne's default (None)

    Returns:
        a :class:`CoverageSplit`

    Raises:
        CoresetError: if the fractions are no shares, a name is taken, or the database loses what is written

    Examples:
        >>> split = fc.split_by_coverage(dataset, label_field="ground_truth")
        >>> len(split.view("train"))
        48
    """
    require(("numba", "sklearn"))
    seed = check_seed(seed)
    check_count("num_workers", num_workers, 1)
    shares = _checked({"train": 0.8, "val": 0.1, "test": 0.1} if fractions is None else fractions)
    rows = rows_of(samples, embeddings)
    source = EmbeddingSource.chosen(rows, embeddings, similarity_index)
    _require_free(rows, shares, tag, field, overwrite)
    unharmed = "tags and fields are written last: see that mongod runs, and call again with overwrite=True"
    with database_faults(unharmed), reporting(progress, "Split by coverage") as tell:
        tell(0.0, "reading embeddings")
        found = source.load(rows)
        labels, ids = read_labels(rows, label_field), np.array(rows.ids())
        usable = np.flatnonzero(found.valid)
        unit = unit_rows(found.matrix[usable])[0]
        tell(0.1, "looking for near-copies")
        copies = find_near_copies(rows, found, seed=seed, num_workers=num_workers)
        known = copies.known[usable] if copies else np.zeros(len(usable), dtype=bool)
        told = [copies.groups[usable]] if copies else []
        if not known.all():
            alike = near_duplicates(unit, seed=seed, num_workers=num_workers).groups
            told.append(_with_unknown(alike, known))
        together = joined([*told, *_groups(rows, source, groups, usable)])
        tell(0.4, "splitting")
        classes = None if labels is None else Groups.of(labels).codes[usable]
        traits = Traits.of(unit, None if classes is None else classes + 1, min(shares.values()), seed)
        part = split(unit, together, traits, np.array(list(shares.values())), seed)
        tell(0.7, "comparing with random splits")
        chosen = {name: usable[part == number] for number, name in enumerate(shares)}
        _require_rows(chosen, together, rows.noun)
        metrics = _metrics(Points(found.matrix), chosen, labels, seed)
        result = CoverageSplit(
            samples,
            {name: ids[members].tolist() for name, members in chosen.items()},
            shares,
            metrics,
            int((np.bincount(together)[together] > 1).sum()),
            len(ids) - len(usable),
            int((~known).sum()),
            rows.noun,
            rows.patches_field,
        )
        tell(0.9, "writing" if tag or field else "done")
        _write(rows, result, tag, field)
    return result


def _checked(fractions: Any) -> dict[str, float]:
    """The shares of the parts as they were meant."""
    if not isinstance(fractions, Mapping) or len(fractions) < 2:
        raise CoresetError(
            f'fractions must name two parts at least, e.g. {{"train": 0.8, "test": 0.2}}, got {fractions!r}'
        )
    for name, share in fractions.items():
        if not isinstance(name, str) or not name.strip():
            raise CoresetError(f"the name of a part must be text, got {name!r}")
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
            raise CoresetError(f"the fraction of '{name}' must lie between 0 and 1, got {share!r}")
    total = sum(fractions.values())
    if abs(total - 1) > 1e-6:
        raise CoresetError(f"the fractions add up to {total:.6g}; they must add up to 1")
    return {name: share / total for name, share in fractions.items()}


def _require_free(rows: Rows, shares: Mapping[str, float], tag: bool, field: str | None, overwrite: bool) -> None:
    """Refuses names that are taken, before any work is done."""
    if field is not None:
        require_identifier(field, "field", "split")
        require_free_field(rows, field, overwrite)
    if tag:
        require_tags(rows)
    if tag and not overwrite:
        for name in shares:
            count = len(tagged(rows, name))
            if count:
                raise CoresetError(
                    f"{count:,} {rows.noun} carry the tag '{name}'; choose other names or pass overwrite=True"
                )


def _with_unknown(alike: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The groups of look-alikes that hold a row without a fingerprint, which may be a copy of any; others alone."""
    doubtful = np.isin(alike, alike[~known])
    return np.where(doubtful, alike, alike.max() + 1 + np.arange(len(alike)))


def _groups(rows: Rows, source: EmbeddingSource, groups: Any, usable: np.ndarray) -> list[np.ndarray]:
    """What the groups put together: none or one grouping of the usable rows."""
    if groups is None:
        return []
    resolved, _ = resolve_arguments(rows, source.recorded, {"groups": groups})
    values = resolved["groups"]
    n = len(rows)
    if isinstance(values, str) or not hasattr(values, "__len__") or len(values) != n:
        raise CoresetError(f"groups must be a field, or hold one value for each of the {n} {rows.noun}")
    codes = Groups.of([None if value is None else str(value) for value in values]).codes[usable]
    alone = codes < 0
    codes[alone] = codes.max(initial=0) + 1 + np.arange(alone.sum())
    return [codes]


def _require_rows(parts: Mapping[str, np.ndarray], together: np.ndarray, noun: str) -> None:
    """Refuses a part that gets nothing."""
    for name, members in parts.items():
        if not len(members):
            largest = int(np.bincount(together).max())
            raise CoresetError(
                f"part '{name}' is empty: {len(together):,} {noun} are too few for it, where up to {largest:,} of them "
                "must stay together"
            )


def _metrics(points: Points, parts: Mapping[str, np.ndarray], labels: Any, seed: int) -> dict[str, dict[str, Metric]]:
    """How far each part is from the whole, beside random splits of these sizes."""
    shift, rng = DistributionShift(points, max_rows=_COMPARED, seed=seed), np.random.default_rng(seed)
    classes = None if labels is None else Groups.of(labels, points.rows)
    found: dict[str, dict[str, Metric]] = {}
    for name, members in parts.items():
        subsets = [members, *(rng.permutation(points.rows)[: len(members)] for _ in range(_N_RANDOM))]
        tables = [{"energy_distance": shift(subset)["energy_distance"]} for subset in subsets]
        if classes is not None and len(classes.names):
            for table, subset in zip(tables, subsets, strict=True):
                if len(classes.known(subset)):
                    table["class_kl"] = retention(classes, subset).kl
        found[name] = {}
        for metric, value in tables[0].items():
            band = RandomBand.of([table[metric] for table in tables[1:] if metric in table])
            found[name][metric] = Metric(value, band, "low", _MEANING[metric])
    return found


def _write(rows: Rows, result: CoverageSplit, tag: bool, field: str | None) -> None:
    """Writes tags and the field."""
    import fiftyone.core.fields as fof

    from ..dataset.tags import untag_rows

    parts = result.parts
    if rows.are_groups:  # every slice of them, whatever one is shown
        parts = {name: list(group_members(rows.dataset, ids)) for name, ids in parts.items()}
        rows = Rows(rows.dataset.select_group_slices(_allow_mixed=True))
    if field is not None:
        values = {row_id: name for name, ids in parts.items() for row_id in ids}
        write_field(rows, field, fof.StringField, values)
    for name, ids in parts.items() if tag else ():
        untag_rows(rows, sorted(tagged(rows, name).difference(ids)), name)
        write_tag(rows, ids, name)
