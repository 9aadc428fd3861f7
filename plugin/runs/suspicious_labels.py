"""Suspicious labels of a dataset: written to fields, shown as a saved view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dataset.embeddings import EmbeddingSource
from ..dataset.labels import read_labels
from ..dataset.lock import database_faults
from ..dataset.names import require_free_field, require_free_view, require_identifier
from ..dataset.rows import FRAMES, Rows
from ..dataset.saved_views import save_view
from ..embeddings.class_texts import with_class_texts
from ..progress import ProgressCallback, part_of, reporting
from .plain_fields import write_field

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.view import DatasetView


def flag_suspicious_labels(
    samples: SampleCollection,
    embeddings: Any = "clip_embeddings",
    label_field: str = "ground_truth",
    *,
    name: str = "suspicious",
    adapter: str = "none",
    threshold: float = 0.5,
    class_names: Mapping[str, str] | None = None,
    templates: Sequence[str] | None = None,
    text_embeddings: Mapping[str, np.ndarray] | None = None,
    seed: int = 0,
    progress: bool | ProgressCallback | None = None,
    overwrite: bool = False,
) -> DatasetView:
    """Finds labels that look wrong and saves them as a view, most suspicious first.

    Writes the fields ``<name>_score``, the probability that the label is wrong, on every checked sample, and
    ``<name>_class``, the class that fits better, on the suspicious ones; the view is defined by them. Its description
    says how large the share of wrong labels is estimated to be.

    Args:
        samples: a dataset, a view, or a ``to_patches()`` view to check the labels of objects
        embeddings ("clip_embeddings"): the field that :func:`~fiftyone_coreset.compute_embeddings` wrote
        label_field ("ground_truth"): a ``Classification`` or string field; ``"label"`` for objects
        name ("suspicious"): the name of the saved view, and the beginning of the fields' names
        adapter ("none"): ``"linear"``, ``"confident"`` or ``"none"``, see :func:`..selection.methods.clip_powered`
        threshold (0.5): how probable it must be that a label is wrong; more gives fewer and surer finds
        class_names (None): what to call labels in the prompts, for labels that are no words
        templates (None): prompts with one ``{}`` for the name
        text_embeddings (None): a mapping from label to text embedding, instead of the field's own model
        seed (0): the random seed
        progress (None): a bar (True/False), a function ``(fraction, message)``, or FiftyOne's default (None)
        overwrite (False): whether to replace fields and a view of this name

    Returns:
        the saved view

    Raises:
        CoresetError: if an argument is unusable, a name is taken, or the database loses what is written

    Examples:
        >>> view = fc.flag_suspicious_labels(dataset, label_field="ground_truth")
        >>> view.name
        'suspicious'
    """
    from ..selection.methods.clip_powered import find_suspicious_labels

    rows, source = Rows(samples), EmbeddingSource.of(embeddings)
    _require_free(rows, name, overwrite)
    given = {"class_names": class_names, "templates": templates, "text_embeddings": text_embeddings}
    unharmed = "the view is saved last: see that mongod runs, and call again with overwrite=True"
    with database_faults(unharmed), reporting(progress, "Suspicious labels") as report:
        report(0.0, "reading embeddings")
        matrix = source.load(rows).matrix
        labels = read_labels(rows, label_field)
        texts = with_class_texts(rows, source, labels, given)["text_embeddings"]
        assert labels is not None
        found = find_suspicious_labels(
            matrix, labels, texts, adapter=adapter, threshold=threshold, seed=seed, progress=part_of(report, 0.1, 0.9)
        )
        report(0.9, "writing fields")
        _write(rows, name, found)
        return _save_view(rows, name, found, label_field, overwrite)


def _fields(name: str) -> tuple[str, str]:
    return f"{name}_score", f"{name}_class"


def _require_free(rows: Rows, name: str, overwrite: bool) -> None:
    require_identifier(name, "name", "suspicious")
    for field in _fields(name):
        require_free_field(rows, field, overwrite)
    require_free_view(rows.dataset, name, overwrite)


def _write(rows: Rows, name: str, found: Any) -> None:
    import fiftyone.core.fields as fof

    ids = rows.ids()
    score_field, class_field = _fields(name)
    checked = np.flatnonzero(~np.isnan(found.suspicion))
    classes = dict.fromkeys(checked.tolist()) | dict(zip(found.rows.tolist(), found.suggested_labels(), strict=True))
    write_field(rows, score_field, fof.FloatField, {ids[row]: float(found.suspicion[row]) for row in checked})
    write_field(rows, class_field, fof.StringField, {ids[row]: label for row, label in classes.items()})


def _save_view(rows: Rows, name: str, found: Any, label_field: str, overwrite: bool) -> DatasetView:
    from fiftyone import ViewField as F

    score_field, class_field = _fields(name)
    condition, dataset = F(class_field) != None, rows.dataset  # noqa: E711  (an expression, not a comparison)
    if rows.patches_field is None:
        view = dataset.match(condition).sort_by(score_field, reverse=True)
    elif rows.patches_field == FRAMES:
        view = dataset.to_frames().match(condition).sort_by(score_field, reverse=True)
    else:
        patches = dataset.filter_labels(rows.patches_field, condition).to_patches(rows.patches_field)
        view = patches.sort_by(f"{rows.patches_field}.{score_field}", reverse=True)
    description = (
        f"{len(found.rows):,} {rows.noun} whose '{label_field}' looks wrong; '{class_field}' fits better. "
        f"An estimated {found.share_wrong:.1%} of all labels are wrong"
    )
    return save_view(dataset, name, view, description, overwrite)
