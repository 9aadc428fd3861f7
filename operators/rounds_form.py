"""What the forms of labelling rounds share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..plugin.errors import CoresetError
from ..plugin.rounds.load import list_campaigns

if TYPE_CHECKING:
    from .form import Form

DEFAULT_CAMPAIGN = "rounds"


def add_campaign(form: Form[Any]) -> str | None:
    """A dropdown of campaigns; refuses when there is none yet.

    Returns:
        the chosen campaign, or None
    """
    campaigns = list_campaigns(form.dataset)
    if not campaigns:
        form.refuse("This dataset has no labelling rounds yet. Run 'Select next batch' first.")
        return None
    form.choose("brain_key", {key: key for key in campaigns}, default=campaigns[-1])
    return chosen_campaign(form.dataset, form.params.brain_key)


def chosen_campaign(dataset: Any, brain_key: str | None) -> str:
    """The campaign that is named, else the latest.

    Raises:
        CoresetError: if the dataset has none
    """
    campaigns = list_campaigns(dataset)
    if not campaigns:
        raise CoresetError(f"dataset '{dataset.name}' has no labelling rounds; run 'Select next batch' first")
    return brain_key or campaigns[-1]


def labels_of_tags(text: str | None) -> dict[str, str] | None:
    """Tags that are labels, as typed: ``"cat, canine = dog"``.

    Raises:
        CoresetError: if there is no tag, or no label, beside a sign
    """
    if text is None:
        return None
    labels = {}
    for part in text.replace("\n", ",").split(","):
        tag, sign, label = (piece.strip() for piece in part.partition("="))
        if not part.strip():
            continue
        if not tag or (sign and not label):
            raise CoresetError(f"tags that are labels are written 'tag' or 'tag = label', got '{part.strip()}'")
        labels[tag] = label or tag
    return labels or None
