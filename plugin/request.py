"""The App's view, as a stranger's request: FiftyOne's own stages only, and one sentence for what cannot be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import fiftyone as fo
import fiftyone.core.stages as fost
from fiftyone.operators.constants import ViewTarget

from .door import shown
from .errors import CoresetError

_STAGES = "fiftyone.core.stages."
_TARGETS = {value for name, value in vars(ViewTarget).items() if name.isupper()}


def dataset_of(ctx: Any) -> fo.Dataset:
    """The dataset that is open in the App.

    Raises:
        CoresetError: if none is
    """
    if ctx.dataset is None:
        raise CoresetError("Open a dataset first.")
    return ctx.dataset


def check_view(ctx: Any) -> None:
    """Refuses a view that FiftyOne would build from anything but its own stages.

    FiftyOne imports and calls whatever class a stage names, so a stage from a browser may name FiftyOne's only.

    Raises:
        CoresetError: names the class
    """
    request = ctx.request_params
    check_stages([request.get("view"), (request.get("params") or {}).get("custom_view_target")])
    extended = request.get("extended")
    for name in extended if isinstance(extended, Mapping) else ():
        _check_class(name)


def check_stages(stages: Any) -> None:
    """Refuses stages, at any depth, whose class is no stage of FiftyOne.

    Args:
        stages: serialized stages

    Raises:
        CoresetError: names the class
    """
    if isinstance(stages, Mapping):
        if "_cls" in stages and "kwargs" in stages:
            _check_class(stages["_cls"])
        for value in stages.values():
            check_stages(value)
    elif isinstance(stages, Sequence) and not isinstance(stages, str | bytes):
        for value in stages:
            check_stages(value)


def _check_class(name: Any) -> None:
    stage = getattr(fost, name.removeprefix(_STAGES), None) if isinstance(name, str) else None
    known = isinstance(stage, type) and issubclass(stage, fost.ViewStage) and name == f"{_STAGES}{stage.__name__}"
    if not known:
        raise CoresetError(f"{shown(name)} is no view stage of FiftyOne; the view is not opened")


def target_view(ctx: Any) -> fo.DatasetView | fo.Dataset:
    """The collection that the person chose to work on.

    Raises:
        CoresetError: if the view cannot be built or read
    """
    dataset_of(ctx)
    check_view(ctx)
    target = ctx.params.get("view_target") or ctx.request_params.get("view_target")
    if target is not None and target not in _TARGETS:
        raise CoresetError(f"there is no target view {shown(target)}")
    return _readable(ctx.target_view)


def current_view(ctx: Any) -> fo.DatasetView:
    """The view in the grid, with the sidebar's filters.

    Raises:
        CoresetError: if it cannot be built or read
    """
    dataset_of(ctx)
    check_view(ctx)
    return _readable(lambda: ctx.view)


def bare_view(ctx: Any) -> fo.DatasetView:
    """The view in the grid without the sidebar's filters, which the App applies itself.

    Raises:
        CoresetError: if it cannot be built or read
    """
    dataset = dataset_of(ctx)
    check_view(ctx)
    return _readable(lambda: fo.DatasetView._build(dataset, list(ctx.request_params.get("view") or [])))


def _readable(build: Any) -> Any:
    """What a request describes, or one sentence: whatever fails here fails for what the request holds."""
    try:
        view = build()
        view.limit(1).values("id")
    except Exception as error:
        first_line = (str(error).splitlines() or [""])[0]
        raise CoresetError(f"the view cannot be read: {first_line[:200]}") from error
    return view
