"""Less work for annotators: menus of few classes beside images, and images whose class can be confirmed in bulk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dataset.embeddings import EmbeddingSource
from ..dataset.lock import database_faults
from ..dataset.rows import Rows
from ..dataset.shown import view_of
from ..errors import CoresetError
from ..requirements import check_count
from ..runs.plain_fields import write_field
from ..seeds import check_seed
from ..selection.menus import CandidateSets, candidate_sets, piles
from ..selection.predictions import Predictions
from .load import load_rounds
from .read_model import HEAD, read_model
from .standing import Standing, read_standing
from .weak_spots import wilson_interval

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.view import DatasetView


_UNHARMED = "call again with overwrite=True: see that mongod runs first"


def write_menus(
    dataset: SampleCollection,
    brain_key: str = "rounds",
    field: str | None = None,
    *,
    predictions: Any = HEAD,
    alpha: float = 0.05,
    overwrite: bool = False,
) -> CandidateSets:
    """Writes the classes that each image without label can be, so that annotators choose from a short menu.

    The menus hold the true class of at least ``1 - alpha`` of the images, see :func:`.candidate_sets`. They are
    calibrated on the labelled test images of the campaign, which were drawn at random.

    Args:
        dataset: the dataset or one of its views
        brain_key ("rounds"): the name of the campaign
        field (None): a list field; ``"<brain_key>_menu"`` by default
        predictions ("head"): ``"head"`` or your model's predictions, as in :func:`next_batch`
        alpha (0.05): share of images whose class may be missing from the menu
        overwrite (False): whether the field may exist

    Returns:
        the sets; ``n_calibration`` says on how many test images they rest

    Raises:
        CoresetError: if there are fewer than ``1 / alpha - 1`` labelled test images, or the field exists

    Examples:
        >>> fc.write_menus(dataset, alpha=0.1).n_calibration  # test images with a label
        10
    """
    import fiftyone.core.fields as fof

    rows, standing, said = _said(dataset, brain_key, predictions)
    name = _free(rows, field or f"{brain_key}_menu", overwrite)
    place = {known: number for number, known in enumerate(said.classes)}
    judged = np.flatnonzero(standing.test & standing.has_label & said.present)
    targets = [place.get(str(standing.labels[row]), -1) for row in judged]
    if -1 in targets:
        strange = sorted({str(standing.labels[row]) for row in judged} - place.keys())
        raise CoresetError(
            f"{targets.count(-1):,} test images show classes that the model does not know ({', '.join(strange[:5])}): "
            "no menu could hold them; label some others of these classes first"
        )
    sets = candidate_sets(said.all_classes("a menu")[judged], np.array(targets, dtype=np.int64), alpha)
    free = np.flatnonzero(~standing.has_label & ~standing.test & said.present)
    menus = sets.names(said.take(free))
    with database_faults(_UNHARMED):
        write_field(rows, name, fof.ListField, dict(zip(standing.ids[free].tolist(), menus, strict=True)))
    return sets


def write_piles(
    dataset: SampleCollection,
    brain_key: str = "rounds",
    field: str | None = None,
    *,
    predictions: Any = HEAD,
    risk: float = 0.05,
    overwrite: bool = False,
) -> dict[str, int]:
    """Sorts the images without label into piles: to confirm in bulk, to label, to skip; see :func:`.piles`.

    Nothing is labelled by it. The field ``"<field>_class"`` holds the predicted class, by which the App groups the pile
    to confirm; :func:`check_pile` says how often it is wrong.

    Args:
        dataset: the dataset or one of its views
        brain_key ("rounds"): the name of the campaign
        field (None): a field of text; ``"<brain_key>_pile"`` by default
        predictions ("head"): ``"head"``, whose confidences are calibrated, or your model's predictions
        risk (0.05): of a wrong class, below which an image is offered for confirmation
        overwrite (False): whether the fields may exist

    Returns:
        pile -> images

    Raises:
        CoresetError: if there are no predictions, or a field exists

    Examples:
        >>> sum(fc.write_piles(dataset).values()) > 0
        True
    """
    import fiftyone.core.fields as fof

    rows, standing, said = _said(dataset, brain_key, predictions)
    name = _free(rows, field or f"{brain_key}_pile", overwrite)
    guess = _free(rows, f"{name}_class", overwrite)
    free = np.flatnonzero(~standing.has_label & ~standing.test & said.present)
    found = piles(said.take(free), risk).tolist()
    classes = [said.classes[number] for number in said.predicted[free]]
    ids = standing.ids[free].tolist()
    with database_faults(_UNHARMED):
        for path, values in ((guess, classes), (name, found)):
            write_field(rows, path, fof.StringField, dict(zip(ids, values, strict=True)))
    return {pile: found.count(pile) for pile in ("confirm", "label", "skip")}


@dataclass(frozen=True)
class PileCheck:
    """A random sample of a pile, and how often its predicted class is wrong.

    Attributes:
        view: the sample; label it
        n: how many of it have a label
        error: the share of these whose label is another than was predicted; None without any
        interval: 95 % interval of that (Wilson 1927)

    Examples:
        >>> piles = fc.write_piles(dataset, risk=0.9)
        >>> fc.check_pile(dataset, n=5).n
        0
    """

    view: DatasetView
    n: int
    error: float | None
    interval: tuple[float, float] | None

    def __str__(self) -> str:
        if self.error is None or self.interval is None:
            return f"None of the {len(self.view):,} images of the sample has a label; label them and ask again."
        low, high = (f"{end:.0%}" for end in self.interval)
        return f"{self.error:.0%} of {self.n:,} images are of another class ({low} to {high})."


def check_pile(
    dataset: SampleCollection, brain_key: str = "rounds", field: str | None = None, n: int = 50, seed: int = 0
) -> PileCheck:
    """Draws a random sample of the pile to confirm, and judges the labels that it has by now.

    Call it, label the view, and call it again before anything is confirmed in bulk.

    Args:
        dataset: the dataset or one of its views
        brain_key ("rounds"): the name of the campaign
        field (None): what :func:`write_piles` wrote; ``"<brain_key>_pile"`` by default
        n (50): images of the sample
        seed (0): the random seed; the same seed draws the same sample

    Returns:
        the :class:`PileCheck`

    Raises:
        CoresetError: if there are no piles, or none to confirm

    Examples:
        >>> piles = fc.write_piles(dataset, risk=0.9)
        >>> print(fc.check_pile(dataset, n=5))
        None of the 5 images of the sample has a label; label them and ask again.
    """
    check_count("n", n, 1)
    results = load_rounds(dataset, brain_key)
    config, name = results.config, field or f"{brain_key}_pile"
    rows = Rows(results.samples, config.patches_field)
    if not rows.has(name):
        raise CoresetError(f"field '{name}' does not exist; write_piles() writes it")
    standing = read_standing(rows, config.label_field, config.test, config.skip)
    pile = np.flatnonzero(np.array(rows.values(name), dtype=object) == "confirm")
    if not len(pile):
        raise CoresetError(f"no {rows.noun} are to be confirmed by '{name}'; raise the risk of write_piles()")
    drawn = np.random.default_rng(check_seed(seed)).permutation(pile)[:n]
    predicted = rows.values(f"{name}_class")
    wrong = [standing.labels[row] != predicted[row] for row in drawn if standing.labels[row] is not None]
    view = view_of(rows, standing.ids[drawn].tolist())
    if not wrong:
        return PileCheck(view, 0, None, None)
    return PileCheck(view, len(wrong), sum(wrong) / len(wrong), wilson_interval(sum(wrong), len(wrong)))


def _said(dataset: SampleCollection, brain_key: str, predictions: Any) -> tuple[Rows, Standing, Predictions]:
    """The rows of a campaign, their labels, and calibrated predictions of them.

    Raises:
        CoresetError: if there are none
    """
    results = load_rounds(dataset, brain_key)
    config = results.config
    if config.embeddings is None:
        raise CoresetError(f"'{brain_key}' was given vectors, which are not stored; menus need a field of embeddings")
    rows = Rows(results.samples, config.patches_field)
    standing = read_standing(rows, config.label_field, config.test, config.skip)
    found = EmbeddingSource.of(config.embeddings).load(rows)
    seed = results.last.seed if results.last else 0
    model = read_model(
        standing, found, predictions, embeddings=config.embeddings, label_field=config.label_field, seed=seed
    )
    if model.predictions is None or not model.predictions.classes:
        raise CoresetError(
            f"'{brain_key}' has no predictions of classes: {'; '.join(model.notes) or 'label some first'}"
        )
    said = model.predictions if model.head is None else model.head.predictions(found.matrix, calibrated=True)
    return rows, standing, said


def _free(rows: Rows, field: str, overwrite: bool) -> str:
    if rows.has(field) and not overwrite:
        raise CoresetError(f"field '{rows.path(field)}' exists; choose another name or pass overwrite=True")
    return field
