"""Selection methods: what one is, how it is registered, and the one way in which every one of them is run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..progress import ProgressCallback, reporting
from ..requirements import check_count
from ..seeds import check_seed
from ..vectors.near_duplicates import NearDuplicates
from .budget import parse_budget, ranking_budget, resolve_budget
from .constrained_run import ConstrainedRun
from .constraints import Constraints, Given, PreparedPool, prepare
from .difficulty import head_difficulty
from .linear_head import LinearHead
from .pool import Picks
from .predictions import as_predictions

#: Every registered method by name; :mod:`.registry` sees to it that all files were imported.
METHODS: dict[str, Method] = {}

#: Arguments of a scoring function that come from the pool, not from the user.
_FROM_POOL = frozenset({"usable", "seed", "num_workers", "progress"})


@dataclass(frozen=True)
class Selection:
    """The chosen rows.

    Attributes:
        indices: (k,) int64 rows of the embeddings given, first to keep first; a seed set comes first
        method: name of the method
        seed: the random seed
        n: number of rows of the embeddings given
        columns: (n,) float64 figures of the rows by name, the same for every budget and constraint; NaN in rows
            without. ``Method.columns`` explains them
        details: JSON-able facts: what was left out and put last, quotas, and what the method chose and why
        set_aside: int64 rows that the outlier guard put last, most isolated first

    Examples:
        >>> selection = fc.get_method("herding").select(embeddings, 10)
        >>> len(selection.indices), selection.method
        (10, 'herding')
    """

    indices: np.ndarray
    method: str
    seed: int
    n: int
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    set_aside: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    @property
    def scores(self) -> np.ndarray | None:
        """(n,) float64, higher = keep, NaN in rows that were not scored; None for methods without scores."""
        return self.columns.get("score")

    @property
    def rank(self) -> np.ndarray:
        """(n,) int64, 0 = first to keep, -1 in rows that were not chosen."""
        rank = np.full(self.n, -1, dtype=np.int64)
        rank[self.indices] = np.arange(len(self.indices))
        return rank


@dataclass(frozen=True)
class Option:
    """A parameter that forms ask for; it begins at the parameter's own default.

    Attributes:
        label: what the form calls it
        choices: what can be chosen, value -> label; None for what is typed
        at_most: the largest whole number, of those from 1
        reads: what makes a value of a text, for an option that takes several, separated by commas
        description: one sentence below the field
        advanced: whether it stands among the advanced settings
        unless: another option that, if it is given, takes the place of this one
    """

    label: str
    choices: Mapping[str, str] | None = None
    at_most: int | None = None
    reads: Callable[[str], Any] | None = None
    description: str = ""
    advanced: bool = False
    unless: str | None = None


@dataclass(frozen=True)
class Method:
    """A registered selection method: a function and the traits by which forms, panels and runs know how to treat it.

    Attributes:
        name: what users call it
        description: one line for users
        function: ``(pool, k, **parameters) -> Picks``
        passes_to: functions that ``function`` hands ``**parameters`` on to: their keyword arguments are the method's,
            with the defaults that stand there
        columns: the figures of the rows by name, each explained in a curator's words; ``"score"`` first if the method
            scores rows
        needs_labels: True if it cannot work without ``labels``; rows without a label are left out
        label_optional_when: parameters and their values with which rows without a label are not left out
        needs_text: True if it compares rows with the texts of their classes, ``text_embeddings``
        needs_predictions: True if it cannot work without ``predictions`` or a ``head``; rows without a prediction are
            left out
        needs_head: True if it cannot work without a ``head``
        nested: True if selecting k and continuing to n equals selecting n at once, so that every prefix of a ranking
            is the selection of that size
        scored: True if the picks are the top of a score that does not depend on k
        per_row: parameters that hold one value per row
        fixed_k_when: parameters and their values with which the method is neither nested nor scored: it then answers
            one budget over the whole pool
        options: the parameters that forms ask for
    """

    name: str
    description: str
    function: Callable[..., Picks]
    passes_to: tuple[Callable[..., Any], ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    needs_labels: bool = False
    label_optional_when: tuple[tuple[str, Any], ...] = ()
    needs_text: bool = False
    needs_predictions: bool = False
    needs_head: bool = False
    nested: bool = True
    scored: bool = False
    per_row: tuple[str, ...] = ()
    fixed_k_when: tuple[tuple[str, Any], ...] = ()
    options: Mapping[str, Option] = field(default_factory=dict)

    @property
    def needs_model(self) -> bool:
        """Whether it cannot work without what a model says of the rows."""
        return self.needs_predictions or self.needs_head

    def fixed_k_reason(self, parameters: Mapping[str, Any]) -> str | None:
        """The argument, e.g. ``"optimizer='sgd'"``, with which only one budget has an answer, or None."""
        return _argument_among(self.fixed_k_when, parameters)

    @property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """The method's own parameters, by name."""
        own = list(inspect.signature(self.function).parameters.values())[2:]
        passed = [
            parameter
            for function in self.passes_to
            for parameter in inspect.signature(function).parameters.values()
            if parameter.default is not inspect.Parameter.empty and parameter.name not in _FROM_POOL
        ]
        return {
            parameter.name: parameter
            for parameter in (*own, *passed)
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        }

    @property
    def required(self) -> list[str]:
        """The method's own parameters that have no default."""
        return [name for name, parameter in self.parameters.items() if parameter.default is inspect.Parameter.empty]

    def select(
        self,
        embeddings: Any,
        k: Any = None,
        *,
        labels: Any = None,
        text_embeddings: Any = None,
        predictions: Any = None,
        head: LinearHead | None = None,
        preselected: Any = None,
        excluded: Any = None,
        groups: Any = None,
        quota: Any = None,
        min_per_group: int = 0,
        weights: Any = None,
        deduplicate: bool = False,
        outlier_guard: float = 0.0,
        near_copies: NearDuplicates | None = None,
        seed: int = 0,
        progress: bool | ProgressCallback | None = False,
        num_workers: int | None = None,
        **method_kwargs: Any,
    ) -> Selection:
        """Selects rows.

        Args:
            embeddings: (n, d) embeddings in any form :func:`.as_matrix` reads; rows that are missing or not
                finite are never selected
            k (None): the budget, ``preselected`` included: a count, a fraction, or any form
                :func:`.budget.parse_budget` reads; fractions count the rows that can be selected. By default all of
                them, which makes ``indices`` a ranking; methods whose selections are not nested need a budget
            labels (None): (n,) class labels, for methods that use them
            text_embeddings (None): text features, for methods that use them
            predictions (None): what a model says of the rows, for methods that use it: an (n, C) array of class
                probabilities, or :class:`.predictions.Predictions`
            head (None): a :class:`.linear_head.LinearHead` fit on these embeddings, for methods that use it; it also
                makes predictions where none are given
            preselected (None): row indices or an (n,) bool mask of rows that must be kept: they count toward ``k``,
                come first, and the method continues from them
            excluded (None): row indices or an (n,) bool mask of rows that must not be kept; they are no longer part
                of the pool, so nothing has to represent them
            groups (None): (n,) group of every row, any hashable values, for ``quota`` and ``min_per_group``
            quota (None): how ``k``, and without ``k`` every budget, is divided among the groups: "proportional",
                "sqrt", "uniform", or a mapping of group to count or share. "proportional" where only ``groups`` is
                given
            min_per_group (0): least number of rows kept of every group; smaller groups are kept whole
            weights (None): (n,) positive weights that multiply the method's own preference for a row
            deduplicate (False): keep one row of each near-duplicate group before any second one
            outlier_guard (0.0): share in [0, 0.5] of the rows, the most isolated by mean distance to their 10 nearest
                neighbours, that is put last
            near_copies (None): groups of near-copies among the n rows, e.g. of
                :func:`fiftyone_coreset.plugin.vectors.near_copies.near_copies`; by default, near-duplicates are what a
                short distance links
            seed (0): the random seed; the same seed gives the same rows for any order of the input
            progress (False): True for a terminal bar, or a function ``(fraction, message)``
            num_workers (None): threads; the result does not depend on it
            **method_kwargs: the method's own parameters

        Returns:
            a :class:`Selection`

        Raises:
            CoresetError: if the input is unusable or the request cannot be met; the message says what is feasible
        """
        seed = check_seed(seed)
        check_count("num_workers", num_workers, 1)
        given = self._given(labels, text_embeddings, predictions, head, near_copies)
        self._check_parameters(method_kwargs)
        budget = None if k is None else parse_budget(k)
        fixed_k = self.fixed_k_reason(method_kwargs)
        self._check_budget(budget, fixed_k, {"preselected": preselected, "groups": groups, "weights": weights})
        constraints = Constraints(
            preselected=preselected,
            excluded=excluded,
            groups=groups,
            quota=quota,
            min_per_group=min_per_group,
            weights=weights,
            deduplicate=deduplicate,
            outlier_guard=outlier_guard,
        )
        per_row = {name: method_kwargs.pop(name) for name in self.per_row if method_kwargs.get(name) is not None}
        if isinstance(per_row.get("difficulty"), str):
            per_row["difficulty"] = _difficulty(per_row["difficulty"], embeddings, labels, seed)
        with reporting(progress, self.name) as report:
            prepared = prepare(
                embeddings,
                constraints,
                given,
                every_row_needs_a_label=self.needs_labels
                and not _argument_among(self.label_optional_when, method_kwargs),
                seed=seed,
                num_workers=num_workers,
                report=report,
            )
            choose = partial(self.function, **self._defaults() | method_kwargs)
            run = ConstrainedRun(prepared, choose, self.scored and not fixed_k, per_row)
            indices = run.select(_resolve(budget, prepared, run))
        return Selection(
            indices,
            self.name,
            seed,
            n=len(prepared.pool.vectors.matrix),
            columns=run.columns(self.columns),
            details=run.details | prepared.facts,
            set_aside=prepared.set_aside,
        )

    def _defaults(self) -> dict[str, Any]:
        return {name: parameter.default for name, parameter in self.parameters.items() if name not in self.required}

    def _given(
        self, labels: Any, text_embeddings: Any, predictions: Any, head: LinearHead | None, near_copies: Any
    ) -> Given:
        """What is known of the rows, as far as the method uses it."""
        if self.needs_labels and labels is None:
            raise CoresetError(f"method {self.name!r} needs labels; pass labels= or choose a method without them")
        if self.needs_text and text_embeddings is None:
            raise CoresetError(f"method {self.name!r} needs text_embeddings=, one row for each class")
        if self.needs_head and head is None:
            raise CoresetError(f"method {self.name!r} needs head=, see fit_head(); or choose a method without it")
        if self.needs_predictions and predictions is None and head is None:
            raise CoresetError(
                f"method {self.name!r} needs predictions; pass predictions=, or head= of fit_head(), or choose a "
                "method without them"
            )
        return Given(
            labels=labels,
            text_embeddings=text_embeddings,
            predictions=as_predictions(predictions) if self.needs_predictions else None,
            head=head if self.needs_model else None,
            near_copies=near_copies,
        )

    def _check_parameters(self, method_kwargs: dict[str, Any]) -> None:
        unknown = sorted(set(method_kwargs) - set(self.parameters))
        if unknown:
            known = ", ".join(self.parameters) or "none"
            raise CoresetError(f"method {self.name!r} has no parameter {unknown[0]!r}; its parameters are: {known}")
        for name in self.required:
            if method_kwargs.get(name) is None:
                raise CoresetError(f"method {self.name!r} needs {name}=; pass it or choose a method without it")

    def _check_budget(self, budget: Any, fixed_k: str | None, constraints: Mapping[str, Any]) -> None:
        """Refuses what has no answer if a method solves one budget, or one budget over the whole pool."""
        if budget is None and (fixed_k or not self.nested):
            named = f"'{self.name}' with {fixed_k}" if fixed_k else f"'{self.name}'"
            raise CoresetError(f"{named} chooses for one budget, not for all: pass the largest you need, e.g. k='10%'")
        given = [name for name, value in constraints.items() if value is not None]
        if fixed_k and (given or not isinstance(budget, int | float)):
            what = " and ".join(f"{name}=" for name in given) or f"the budget {budget}"
            raise CoresetError(
                f"{self.name} with {fixed_k} solves one number of images over the whole pool, so {what} has no answer; "
                f"leave out {fixed_k}"
            )


def _difficulty(asked: str, embeddings: Any, labels: Any, seed: int) -> np.ndarray:
    if asked != "head":
        raise CoresetError(
            f"difficulty must be one number per row, or 'head' for that of the light head, got {asked!r}"
        )
    if labels is None:
        raise CoresetError("difficulty='head' needs labels; pass labels=, or a difficulty of your own")
    found = head_difficulty(embeddings, labels, seed=seed)
    unknown = int(np.isnan(found).sum())
    if unknown:
        raise CoresetError(
            f"difficulty='head' needs a label and an embedding for every row, {unknown} of {len(found)} lack one; "
            "select among the others"
        )
    return found


def register(name: str, description: str, **traits: Any) -> Callable[[Callable[..., Picks]], Callable[..., Picks]]:
    """Registers a function ``(pool, k, **parameters) -> Picks`` as a selection method.

    How to add a method:

    1.  Write one file in ``selection/methods/``, or a folder with a ``selector.py`` if it needs several. The function
        sees a clean :class:`.Pool`: no missing rows, an order that says nothing, ``pool.preselected`` to continue from,
        ``pool.weights`` that multiply its preference, ``pool.rng()`` for all that is random. It returns
        :class:`.Picks` with exactly ``k`` rows, none of them preselected. Seed sets, exclusions, quotas,
        near-duplicates and outliers are dealt with around it.
    2.  Say with traits what is special about it, see :class:`Method`. Each figure it returns for the rows, scores
        included, is explained in ``columns``. Forms, panels and runs read the traits; nothing else has to be edited.
    3.  Give it a row in ``docs/methods.md``. ``tests/selection/test_contract.py`` picks it up by itself; only an
        argument without a default, or one that makes it quick, is added there.

    Args:
        name: what users call it
        description: one line for users
        **traits: the other attributes of :class:`Method`

    Returns:
        a decorator that leaves the function as it is

    Examples:
        >>> @register("first", "The first rows of the pool's seeded order", scored=True,
        ...           columns={"score": "the later in the order, the lower"})
        ... def first(pool: Pool, k: int) -> Picks:
        ...     return top(pool, k, -np.arange(len(pool)))
    """

    def decorate(function: Callable[..., Picks]) -> Callable[..., Picks]:
        METHODS[name] = Method(name, description, function, **traits)
        return function

    return decorate


def _argument_among(pairs: tuple[tuple[str, Any], ...], parameters: Mapping[str, Any]) -> str | None:
    """The first of the arguments that was given with that value, as it would be written."""
    return next((f"{name}={value!r}" for name, value in pairs if parameters.get(name) == value), None)


def _resolve(budget: Any, prepared: PreparedPool, run: ConstrainedRun) -> int:
    """The number of rows to select, preselected ones included."""
    if budget is None:
        return prepared.feasible
    if isinstance(budget, int | float):
        return resolve_budget(budget, prepared.feasible)
    pool = prepared.pool
    ranking = np.concatenate([pool.preselected, run.pool_rows(len(pool))])
    groups = None if pool.copies is None else pool.copies.groups
    length = ranking_budget(ranking, pool.X, budget, near_copies=groups, seed=pool.seed)
    return prepared.unseen + max(len(pool.preselected), length)
