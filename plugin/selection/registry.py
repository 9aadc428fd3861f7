"""The registry of selection methods: one signature, and the constraints that hold for all of them.

A method is a function in a file of its own under :mod:`.methods`::

    @register("random", "Uniform at random: the baseline every method must beat")
    def random(pool: Pool, k: int) -> Picks: ...

It sees a clean :class:`.pool.Pool` and returns :class:`.pool.Picks`; missing rows, seed sets, exclusions, quotas,
near-duplicates and outliers are dealt with here, once.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..progress import Report, reporting
from .budget import parse_budget, ranking_budget, resolve_budget
from .constraints import Request, prepare, solve
from .pool import Picks

_METHODS: dict[str, Method] = {}


@dataclass(frozen=True)
class Selection:
    """The chosen rows.

    Attributes:
        indices: (k,) int64 rows of the embeddings given, first to keep first; a seed set comes first
        scores: (n,) float64, higher = keep, NaN in rows that were not scored; None for methods without scores
        method: name of the method
        seed: the random seed
        columns: (n,) float64 figures that the scores are made of, by name, NaN in rows without
        details: JSON-able facts: what was set aside, quotas, and what the method chose and why
        set_aside: int64 rows that the outlier guard put last, most isolated first
    """

    indices: np.ndarray
    scores: np.ndarray | None
    method: str
    seed: int
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    set_aside: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))


@dataclass(frozen=True)
class Method:
    """A registered selection method.

    Attributes:
        name: what users call it
        description: one line for users
        function: ``(pool, k, **parameters) -> Picks``
        needs_labels: True if it cannot work without ``labels``
        needs_text: True if it cannot work without ``text_embeddings``
        nested: True if selecting k and continuing to n equals selecting n at once, so that every prefix of a ranking
            is the selection of that size
        scored: True if the picks are the top of a score that does not depend on k
        per_row: parameters that hold one value per row
        one_budget_if: parameters and their values with which the method is neither nested nor scored: it then answers
            one budget over the whole pool
    """

    name: str
    description: str
    function: Callable[..., Picks]
    needs_labels: bool = False
    needs_text: bool = False
    nested: bool = True
    scored: bool = False
    per_row: tuple[str, ...] = ()
    one_budget_if: tuple[tuple[str, Any], ...] = ()

    def one_budget(self, parameters: Mapping[str, Any]) -> str | None:
        """The argument, e.g. ``"optimizer='sgd'"``, with which only one budget has an answer, or None."""
        given = ((name, value) for name, value in self.one_budget_if if parameters.get(name) == value)
        return next((f"{name}={value!r}" for name, value in given), None)

    @property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """The method's own parameters, by name."""
        parameters = list(inspect.signature(self.function).parameters.values())[2:]
        return {parameter.name: parameter for parameter in parameters}

    @property
    def required(self) -> list[str]:
        """The method's own parameters that have no default."""
        return [name for name, parameter in self.parameters.items() if parameter.default is inspect.Parameter.empty]

    def select(
        self,
        embeddings: Any,
        k: Any,
        *,
        labels: Any = None,
        text_embeddings: Any = None,
        preselected: Any = None,
        excluded: Any = None,
        groups: Any = None,
        quota: Any = None,
        min_per_group: int = 0,
        weights: Any = None,
        deduplicate: bool = False,
        outlier_guard: float = 0.0,
        seed: int = 0,
        progress: bool | Report | None = False,
        num_workers: int | None = None,
        **method_kwargs: Any,
    ) -> Selection:
        """Selects rows.

        Args:
            embeddings: (n, d) embeddings in any form :func:`.as_matrix` reads; rows that are missing or not
                finite are never selected
            k: the budget, ``preselected`` included: a count, a fraction, or any form :func:`.budget.parse_budget`
                reads; fractions count the rows that can be selected
            labels (None): (n,) class labels, for methods that use them
            text_embeddings (None): text features, for methods that use them
            preselected (None): row indices or an (n,) bool mask of rows that must be kept: they count toward ``k``,
                come first, and the method continues from them
            excluded (None): row indices or an (n,) bool mask of rows that must not be kept; they are no longer part
                of the pool, so nothing has to represent them
            groups (None): (n,) group of every row, any hashable values, for ``quota`` and ``min_per_group``
            quota (None): how ``k`` is divided among the groups by largest remainder: "proportional", "sqrt",
                "uniform", or a mapping of group to count or share. "proportional" where only ``groups`` is given
            min_per_group (0): least number of rows kept of every group; smaller groups are kept whole
            weights (None): (n,) positive weights that multiply the method's own preference for a row
            deduplicate (False): keep one row of each near-duplicate group before any second one
            outlier_guard (0.0): share in [0, 0.5] of the rows, the most isolated by mean distance to their 10 nearest
                neighbours, that is put last
            seed (0): the random seed; the same seed gives the same rows for any order of the input
            progress (False): True for a terminal bar, or a function ``(fraction, message)``
            num_workers (None): threads; the result does not depend on it
            **method_kwargs: the method's own parameters

        Returns:
            a :class:`Selection`

        Raises:
            CoresetError: if the input is unusable or the request cannot be met; the message says what is feasible
        """
        self._check(labels, text_embeddings, method_kwargs)
        target = parse_budget(k)
        if one := self.one_budget(method_kwargs):
            given = {"preselected": preselected, "groups": groups, "weights": weights}
            _require_plain(self.name, one, target, [name for name, value in given.items() if value is not None])
        per_row = {name: method_kwargs.pop(name) for name in self.per_row if method_kwargs.get(name) is not None}
        request = Request(
            labels, text_embeddings, preselected, excluded, groups, quota, min_per_group, weights, deduplicate,
            outlier_guard, seed, num_workers, per_row,
        )  # fmt: skip
        with reporting(progress, self.name) as report:
            problem = prepare(embeddings, request, report)
            if isinstance(target, int | float):
                count = resolve_budget(target, problem.feasible)
            else:
                whole = solve(self, problem, problem.feasible, method_kwargs)[0]
                count = max(len(problem.kept), ranking_budget(whole, problem.matrix, target, seed=seed))
            indices, scores, columns, details = solve(self, problem, count, method_kwargs)
        return Selection(indices, scores, self.name, seed, columns, details, problem.outliers)

    def _check(self, labels: Any, text_embeddings: Any, method_kwargs: dict[str, Any]) -> None:
        if self.needs_labels and labels is None:
            raise CoresetError(f"method {self.name!r} needs labels; pass labels= or choose a method without them")
        if self.needs_text and text_embeddings is None:
            raise CoresetError(f"method {self.name!r} needs text_embeddings=, one row for each class")
        unknown = sorted(set(method_kwargs) - set(self.parameters))
        if unknown:
            known = ", ".join(self.parameters) or "none"
            raise CoresetError(f"method {self.name!r} has no parameter {unknown[0]!r}; its parameters are: {known}")
        for name in self.required:
            if method_kwargs.get(name) is None:
                raise CoresetError(f"method {self.name!r} needs {name}=; pass it or choose a method without it")


def _require_plain(method: str, argument: str, budget: Any, constraints: list[str]) -> None:
    """Refuses what has no answer if a method solves one budget over the whole pool."""
    if constraints or not isinstance(budget, int | float):
        what = " and ".join(f"{name}=" for name in constraints) or f"the budget {budget}"
        raise CoresetError(
            f"{method} with {argument} solves one number of images over the whole pool, so {what} has no answer; "
            f"leave out {argument}"
        )


def register(name: str, description: str, **traits: Any) -> Callable[[Callable[..., Picks]], Callable[..., Picks]]:
    """Registers a function ``(pool, k, **parameters) -> Picks`` as a selection method.

    Args:
        name: what users call it
        description: one line for users
        **traits: the other attributes of :class:`Method`

    Returns:
        a decorator that leaves the function as it is
    """

    def decorate(function: Callable[..., Picks]) -> Callable[..., Picks]:
        _METHODS[name] = Method(name, description, function, **traits)
        return function

    return decorate


def get_method(name: str) -> Method:
    """Gets a selection method by name.

    Args:
        name: a name from :func:`list_methods`

    Returns:
        the method; call its ``select()``

    Raises:
        CoresetError: if there is no such method
    """
    methods = _load()
    if name not in methods:
        raise CoresetError(f"there is no selection method {name!r}; choose one of {', '.join(sorted(methods))}")
    return methods[name]


def list_methods() -> dict[str, str]:
    """Lists the selection methods.

    Returns:
        a dict of name to one-line description, sorted by name
    """
    return {name: method.description for name, method in sorted(_load().items())}


def _load() -> dict[str, Method]:
    from . import methods

    for module in pkgutil.iter_modules(methods.__path__):
        importlib.import_module(f"{methods.__name__}.{module.name}{'.selector' * module.ispkg}")
    return _METHODS
