"""What the panel's events share: their parameters, and how they answer."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from pydantic import Field

from ..plugin.door import Parameters, RunName, parse
from ..plugin.errors import CoresetError
from ..plugin.request import check_view, dataset_of
from .runs import PanelRun, find_run

logger = logging.getLogger(__name__)

#: What the names of our operators begin with.
PLUGIN = "@fiftyone-coreset/coreset"


class Nothing(Parameters):
    """An event that takes no parameters."""


class OfRun(Parameters):
    """An event about a run."""

    key: RunName


class AtBudget(OfRun):
    """An event about what a run keeps of a budget."""

    k: int = Field(ge=1)


#: All events: the names that the web component calls them by, and what each takes.
EVENTS: dict[str, type[Parameters]] = {}


def event(params: type[Parameters]) -> Callable[[Callable], Callable[..., dict[str, Any]]]:
    """An event that answers the web component; an error becomes its answer, since the App would put one in its place.

    Args:
        params: the parameters it takes, which the method gets parsed
    """

    def decorate(method: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        @functools.wraps(method)
        def answer(self: Any, ctx: Any) -> dict[str, Any]:
            try:
                dataset_of(ctx)
                check_view(ctx)
                return method(self, ctx, parse(params, ctx.params))
            except CoresetError as error:
                return {"error": str(error)}
            except Exception as error:
                logger.exception("event '%s' of the panel failed", method.__name__)
                said = f"Something unforeseen went wrong ({type(error).__name__}: {error}); the App's log says where."
                return {"error": said, "unforeseen": True}

        EVENTS[method.__name__] = params
        return answer

    return decorate


def run_of(ctx: Any, params: OfRun) -> PanelRun:
    """The run that an event is about."""
    return find_run(ctx.dataset, params.key)
