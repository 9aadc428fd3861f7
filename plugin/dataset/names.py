"""Whether a name is free: of a field, a saved view, or of what is written under a name of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import CoresetError

if TYPE_CHECKING:
    from fiftyone.core.dataset import Dataset

    from .rows import Rows


def require_identifier(name: str, called: str, example: str) -> None:
    """Refuses a name that fields cannot begin with.

    Args:
        name: the name
        called: the argument it was given as, e.g. ``"brain_key"``
        example: a name that would do

    Raises:
        CoresetError: if it is no valid variable name
    """
    if not name.isidentifier():
        raise CoresetError(f"{called} '{name}' must be a valid variable name, e.g. '{example}'")


def require_free_view(dataset: Dataset, name: str, overwrite: bool = False) -> None:
    """Refuses the name of a saved view that exists.

    Args:
        dataset: the dataset
        name: the name of the view
        overwrite (False): whether a view of this name may be replaced

    Raises:
        CoresetError: if there is a saved view of this name, or of one that differs in signs alone
    """
    import fiftyone.core.utils as fou

    views = dataset.list_saved_views()
    if name in views:
        if not overwrite:
            raise CoresetError(
                f"saved view '{name}' exists on '{dataset.name}'; choose another name or pass overwrite=True"
            )
        return
    alike = next((view for view in views if fou.to_slug(view) == fou.to_slug(name)), None)
    if alike is not None:  # the App's address of a view is its name without signs
        raise CoresetError(
            f"'{name}' and the saved view '{alike}' of '{dataset.name}' would share an address in the "
            "App; choose a name that differs in letters or digits"
        )


def require_free_field(rows: Rows, field: str, overwrite: bool = False) -> None:
    """Refuses a field that exists.

    Args:
        rows: the rows it is to be written on
        field: the name of the field
        overwrite (False): whether a field of this name may be replaced

    Raises:
        CoresetError: if there is a field of this name
    """
    if not overwrite and rows.has(field):
        raise CoresetError(f"field '{rows.path(field)}' exists; choose another name or pass overwrite=True")
