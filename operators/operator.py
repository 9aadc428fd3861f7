"""What every operator is made of.

How to add an operator: write one file here with one class, and name it under ``operators:`` in ``fiftyone.yml``::

    class Params(Parameters):
        at_most: int = Field(10, ge=1, le=1_000, title="At most")


    class CountImages(CoresetOperator[Params]):
        \"\"\"Counts images.\"\"\"

        name, label = "count_images", "Count images"
        description = "Count the images of the dataset"
        risk_level = types.RiskLevel.LOW
        params = Params
        answers = (("images", "Images"),)

        def fill(self, form):
            form.whole_number("at_most")

        def work(self, ctx, params, progress):
            images = min(len(dataset_of(ctx)), params.at_most)
            return Answer(f"There are {images:,} images.", {"images": images})

The declaration of the parameters is the door, the form and the signature of ``__call__``; an operator holds no
algorithm.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic

import fiftyone as fo
import fiftyone.operators as foo
import fiftyone.operators.types as types

from ..plugin.door import P, parse, shown
from ..plugin.errors import CoresetError
from ..plugin.progress import silence
from ..plugin.request import check_view
from .form import Form
from .streaming import stream

if TYPE_CHECKING:
    from ..plugin.progress import ProgressCallback


#: Parameters that every operator may be given: which view FiftyOne is to hand it.
_OF_FIFTYONE = {"view_target", "custom_view_target"}


@dataclass(frozen=True)
class Answer:
    """What an operator did.

    Attributes:
        message: one sentence
        facts: counts, names and reports, as JSON holds them
        steps: what the App does next, made by ``ctx.ops``
    """

    message: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    steps: Sequence[Any] = ()

    @property
    def result(self) -> dict[str, Any]:
        """What callers from Python, notebooks and agents get."""
        return {"message": self.message, **self.facts}


class CoresetOperator(foo.Operator, Generic[P]):
    """An operator whose form, door and signature come from the declaration of its parameters.

    Attributes:
        name: the operator's name, that of its file
        label: what people see
        description: one sentence
        risk_level: what it can do to a dataset
        params: the parameters it takes
        answers: what the result holds besides ``"message"``, and what people call it
        long_running (False): whether it shows progress and can be delegated
        cancelled: what became of the work if it was cancelled in the App
        unlisted (False): whether the operator browser leaves it out
    """

    name: ClassVar[str]
    label: ClassVar[str]
    description: ClassVar[str]
    risk_level: ClassVar[types.RiskLevel]
    params: type[P]
    answers: ClassVar[Sequence[tuple[str, str]]] = ()
    long_running: ClassVar[bool] = False
    cancelled: ClassVar[str] = "Nothing was written."
    unlisted: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any):
        """Gives ``__call__`` the signature that the parameters declare."""
        super().__init_subclass__(**kwargs)
        if "params" not in vars(cls):
            return

        def call(self: CoresetOperator, samples: Any, delegate: bool = False, **params: Any) -> Any:
            return self._call(samples, delegate, params)

        declared = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in inspect.signature(cls.params).parameters.values()
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        first = list(inspect.signature(call).parameters.values())[:3]
        call.__signature__ = inspect.Signature([*first, *declared])  # type: ignore[attr-defined]
        call.__name__, call.__qualname__ = "__call__", f"{cls.__name__}.__call__"
        call.__doc__ = f"{cls.description}, as the App would; see ``execute_operator`` for what is returned."
        cls.__call__ = call

    # What an operator says for itself.

    def fill(self, form: Form[P]) -> None:
        """Adds the inputs to the form, and the checks."""

    def work(self, ctx: Any, params: P, progress: ProgressCallback) -> Answer:
        """Does it.

        Raises:
            CoresetError: if it cannot be done
        """
        raise NotImplementedError

    def run_name(self, params: P) -> str:
        """What a delegated run is called."""
        return self.label

    # What FiftyOne asks.

    @property
    def config(self) -> foo.OperatorConfig:
        return foo.OperatorConfig(
            name=self.name,
            label=self.label,
            description=self.description,
            icon="/assets/icon.svg",
            dynamic=True,
            execute_as_generator=self.long_running,
            allow_immediate_execution=True,
            allow_delegated_execution=self.long_running,
            risk_level=self.risk_level,
            unlisted=self.unlisted,
            disable_schema_validation=True,  # our door refuses, in one sentence
        )

    def resolve_input(self, ctx: Any) -> types.Property:
        form = Form(ctx, self.params)
        try:
            check_view(ctx)
            self.fill(form)
        except CoresetError as error:
            form.refuse(str(error))
        return form.built(self.label)

    def execute(self, ctx: Any) -> Any:
        check_view(ctx)
        if not _is_from_app(ctx):  # a form may hold what it showed before
            self._require_known(ctx.params)
        params = parse(self.params, ctx.params)
        if ctx.delegated:
            answer = self.work(ctx, params, lambda fraction, message: ctx.set_progress(fraction, message))
            ctx.set_progress(1.0, answer.message)
            return answer.result
        if self.long_running and _is_from_app(ctx):
            return stream(self, ctx, params)
        return self.work(ctx, params, silence).result

    def resolve_output(self, ctx: Any) -> types.Property:
        outputs = types.Object()
        outputs.str("message", label="Done")
        for name, label in self.answers:
            outputs.str(name, label=label)
        return types.Property(outputs, view=types.View(label=self.label))

    def resolve_run_name(self, ctx: Any) -> str:
        return self.run_name(parse(self.params, ctx.params))

    def _call(self, samples: Any, delegate: bool, params: dict[str, Any]) -> Any:
        """Runs the operator on a dataset or view, from Python."""
        self._require_known(params)
        parse(self.params, params)
        context = {"view" if isinstance(samples, fo.DatasetView) else "dataset": samples, "params": params}
        return foo.execute_operator(self.uri, context, request_delegation=delegate)

    def _require_known(self, params: Mapping[str, Any]) -> None:
        """Refuses parameters that neither this operator nor FiftyOne takes."""
        unknown = sorted(set(params) - set(self.params.model_fields) - _OF_FIFTYONE)
        if unknown:
            known = ", ".join(self.params.model_fields)
            takes = f"it takes {known}" if known else "it takes none"
            raise CoresetError(f"{self.name} has no parameter {shown(unknown[0])}; {takes}")


def _is_from_app(ctx: Any) -> bool:
    """Whether an App asks, and shows the messages of a generator; callers from Python get the result instead.

    FiftyOne exhausts a generator for them and throws away what it returns. Only a request of the App names the operator
    among its fields.
    """
    return "operator_uri" in ctx.request_params
