"""The door: what comes from a browser, an agent or a script is parsed once, into a typed object, or refused.

How to take a parameter: declare it on a subclass of :class:`Parameters`, with its type, its bounds, its default and,
as ``title``, the words a person reads; then :func:`parse` gives the object or raises one sentence. Nothing behind the
door looks at raw values again.

This and :mod:`.request` are the doorstep of operators and panels, which share them: they stand above the library, which
takes Python arguments and knows nothing of them (the import contract holds that), and below the App's own parts.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from .errors import CoresetError

#: What a value had to be, by pydantic's name of the fault.
_EXPECTED = {
    "string_type": "text",
    "string_unicode": "text that can be stored",
    "string_too_long": "text of at most {max_length:,} characters",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "greater_than": "more than {gt:,}",
    "greater_than_equal": "at least {ge:,}",
    "less_than": "less than {lt:,}",
    "less_than_equal": "at most {le:,}",
    "bool_type": "true or false",
    "literal_error": "one of {expected}",
    "list_type": "a list",
    "tuple_type": "a list",
    "too_short": "at least {min_length:,} items",
    "too_long": "at most {max_length:,} items",
}

#: Characters of a refused value that are repeated.
_SHOWN = 40

#: FiftyOne's limit for the names of views, and ours for all names.
_MAX_NAME = 100


class Parameters(BaseModel):
    """Typed parameters; a parameter that is left empty takes its default."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, values: Any) -> Any:
        return {name: value for name, value in values.items() if not _is_blank(value)}


P = TypeVar("P", bound=Parameters)


def parse(kind: type[P], values: Any) -> P:
    """Turns raw values into typed parameters.

    Args:
        kind: the parameters that are expected
        values: a mapping of raw values; names that are not expected are passed over

    Returns:
        the parameters

    Raises:
        CoresetError: if a value cannot be used; one sentence in the words of the form
    """
    parameters, problem = read(kind, values)
    if problem is not None:
        raise CoresetError(problem)
    return parameters


def read(kind: type[P], values: Any) -> tuple[P, str | None]:
    """Reads what can be read, for a form that is still being filled in.

    Args:
        kind: the parameters that are expected
        values: a mapping of raw values

    Returns:
        the parameters, with defaults instead of values that cannot be used; and what is wrong, or None
    """
    if not isinstance(values, Mapping):
        return kind.model_construct(), "The parameters must be values with names."
    try:
        return kind.model_validate(values), None
    except ValidationError as error:
        problems = error.errors(include_url=False)
        faulty = {problem["loc"][0] for problem in problems if problem["loc"]}
        usable = {name: value for name, value in values.items() if name not in faulty}
        try:
            parameters = kind.model_validate(usable)
        except ValidationError:  # a parameter without a default is missing
            parameters = kind.model_construct()
        return parameters, _sentence(kind, problems[0])


def title(kind: type[Parameters], name: str) -> str:
    """What a person calls a parameter."""
    return kind.model_fields[name].title or name


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _sentence(kind: type[Parameters], problem: Any) -> str:
    """One sentence on the first fault that pydantic found."""
    context = problem.get("ctx", {})
    if problem["type"] == "value_error":
        return str(context["error"])
    name = str(problem["loc"][0]) if problem["loc"] else ""
    called = title(kind, name) if name in kind.model_fields else name
    if problem["type"] == "missing":
        return f"'{called}' is missing"
    expected = _EXPECTED.get(problem["type"])
    bounds = {
        name: int(bound) if isinstance(bound, float) and bound.is_integer() else bound
        for name, bound in context.items()
    }
    kind_of_value = expected.format(**bounds) if expected else "of another kind"
    return f"'{called}' must be {kind_of_value}, got {shown(problem['input'])}"


def shown(value: Any) -> str:
    """A value as it is repeated in a sentence: short, and nothing a terminal or a page would act on."""
    text = ascii(value) if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _printable(what: str, text: str) -> str:
    text = text.strip()
    if not text.isprintable():
        raise CoresetError(f"{what} {shown(text)} must not hold control characters")
    return text


def _identifier(example: str, text: str) -> str:
    text = text.strip()
    if not text.isidentifier() or text.startswith("_"):
        raise CoresetError(f"'{shown(text)[1:-1]}' must be a valid variable name, e.g. '{example}'")
    return text


def _path(text: str) -> str:
    text = _printable("the field name", text)
    if "$" in text or any(not part or part.startswith("_") for part in text.split(".")):
        raise CoresetError(f"{shown(text)} is no field name")
    return text


def _view_name(text: str) -> str:
    text = _printable("the name of a view", text)
    if not any(character.isalnum() and character.isascii() for character in text):
        raise CoresetError(f"the name of a view must hold a letter or a digit, got {shown(text)}")
    return text


def name_like(example: str) -> Any:
    """The type of a name that fields are called after, such as ``"coreset"``."""
    check = AfterValidator(functools.partial(_identifier, example))
    return Annotated[str, Field(max_length=_MAX_NAME), check]


RunName = name_like("coreset")
NewField = name_like("embeddings")
#: The path of a field that may exist, such as ``"ground_truth"``.
FieldPath = Annotated[str, Field(max_length=_MAX_NAME), AfterValidator(_path)]
Tag = Annotated[str, Field(max_length=_MAX_NAME), AfterValidator(functools.partial(_printable, "the tag"))]
ViewName = Annotated[str, Field(max_length=_MAX_NAME), AfterValidator(_view_name)]
#: A line of free text, and a text of several lines.
Line = Annotated[str, Field(max_length=200), AfterValidator(functools.partial(_printable, "the text"))]
Lines = Annotated[str, Field(max_length=100_000)]
#: What numpy and scikit-learn take as a seed.
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
