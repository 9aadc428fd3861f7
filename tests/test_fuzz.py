"""Doors of the library under anything that fits through: a result, or one sentence of ours.

The doors of the App are in ``tests/operators/test_doors.py``; the profile ``deep`` is explained in ``tests/support``.
"""

from __future__ import annotations

import copy
import warnings

import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone.operators.executor import ExecutionContext, Executor
from fiftyone_coreset.panels import coreset as panel
from fiftyone_coreset.panels.events import EVENTS
from fiftyone_coreset.plugin.dataset.arguments import resolve_arguments
from fiftyone_coreset.plugin.dataset.embeddings import EmbeddingSource
from fiftyone_coreset.plugin.dataset.rows import Rows
from fiftyone_coreset.plugin.results import CoresetResults
from fiftyone_coreset.plugin.selection.budget import parse_budget
from fiftyone_coreset.plugin.vectors.matrix import as_matrix
from fuzz import CALLS, DEEP, EXAMPLES, QUIET, is_a_sentence, junk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from small_runs import embedded, quick  # noqa: F401

fuzzed = settings(max_examples=EXAMPLES, **QUIET)

X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)

shapes = npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6)
arrays = npst.arrays(dtype=npst.scalar_dtypes() | npst.array_dtypes(max_size=2), shape=shapes)
numbers = npst.arrays(dtype=npst.floating_dtypes() | npst.integer_dtypes() | npst.boolean_dtypes(), shape=shapes)


@st.composite
def masked(draw):
    array = draw(numbers)
    return np.ma.masked_array(array, mask=draw(npst.arrays(dtype=bool, shape=array.shape)))


#: Arrays of any type, wrapped in what people wrap them in.
vectors = st.one_of(
    junk,
    arrays,
    numbers,
    masked(),
    numbers.map(lambda array: array.astype(object)),
    numbers.map(lambda array: list(np.atleast_1d(array))),
    st.lists(st.none() | numbers | junk, max_size=5),
    npst.arrays(dtype=object, shape=shapes, elements=junk, fill=st.nothing()),
)

#: One value a row, or what somebody takes for it.
columns = st.one_of(
    junk,
    arrays,
    npst.arrays(dtype=npst.scalar_dtypes(), shape=st.just((12,))),
    st.lists(
        st.none() | st.booleans() | st.integers(-2, 12) | st.floats() | st.text(max_size=2), min_size=12, max_size=12
    ),
    st.lists(st.integers(-2, 13), max_size=12),
)  # fmt: skip


def answers(call):
    """What a door answers; None if it refused in a sentence. Anything else is an error, warnings of ours included."""
    refusal = None
    with warnings.catch_warnings():
        warnings.filterwarnings("error", module="fiftyone_coreset")
        try:
            return call()
        except fc.CoresetError as error:
            refusal = error
    assert is_a_sentence(refusal), refusal
    return None


@fuzzed
@given(vectors)
def test_embeddings(values):
    found = answers(lambda: as_matrix(values))
    if found is not None:
        matrix, valid = found
        assert matrix.ndim == 2
        assert matrix.dtype in (np.float32, np.float64)
        assert valid.tolist() == np.isfinite(matrix).all(axis=1).tolist()
        chosen = answers(lambda: fc.get_method("kcenter").select(values, 2))
        assert chosen is None or valid[chosen.indices].all()


@fuzzed
@given(junk | arrays | st.lists(st.text(max_size=4), max_size=3))
def test_embeddings_argument(values):
    answers(lambda: EmbeddingSource.of(values))


#: What all methods take, each with what it should be and with anything else.
ARGUMENTS = {
    **dict.fromkeys(("labels", "preselected", "excluded", "groups", "weights"), columns),
    "quota": junk | st.dictionaries(st.none() | st.integers(0, 3), junk, max_size=3),
    "min_per_group": junk,
    "deduplicate": junk,
    "outlier_guard": junk | st.floats(0, 0.6),
    "seed": junk,
    "num_workers": junk,
    "progress": st.booleans() | st.none(),
    "k": junk,
}


@st.composite
def some_arguments(draw, of, usual):
    """One to three arguments that may be anything, beside usual ones."""
    names = draw(st.lists(st.sampled_from(sorted(of)), min_size=1, max_size=3, unique=True))
    return usual | {name: draw(of[name]) for name in names}


@pytest.mark.parametrize("method", ["random", "kcenter", "stratified"])
@fuzzed
@given(some_arguments(ARGUMENTS, {"k": 5, "labels": np.arange(12) % 3, "groups": [*"abcabcabcabc"]}))
def test_arguments_of_all_methods(method, given_):
    chosen = answers(lambda: fc.get_method(method).select(X, **given_))
    if chosen is not None:
        assert len(set(chosen.indices.tolist())) == len(chosen.indices) > 0


@fuzzed
@given(junk | st.text(alphabet="0123456789.% eE+-coverage"))
def test_budgets(budget):
    answers(lambda: parse_budget(budget))


@pytest.fixture
def run(embedded, quick):  # noqa: F811
    dataset = embedded()
    return dataset, fc.compute_coreset(dataset, "emb", **quick)


def test_row_arguments(run):
    dataset, _ = run
    rows = Rows(dataset)
    names = junk | st.sampled_from(["gt", "emb", "id", "tags", "filepath", "coreset_score", "gt.label", "metadata"])
    some = names | columns | st.lists(st.sampled_from(rows.ids()), max_size=4)
    of = dict.fromkeys(("preselected", "excluded", "groups", "weights", "difficulty", "target"), some)

    @settings(max_examples=max(30, EXAMPLES // 4), **QUIET)
    @given(some_arguments(of, {}))
    def check(values):
        answers(lambda: resolve_arguments(rows, ["emb"], values))

    check()


def test_budgets_of_a_run(run):
    _, results = run

    @settings(max_examples=max(30, EXAMPLES // 4), **QUIET)
    @given(junk | st.integers(0, 50) | st.floats(0, 1.1) | st.text(alphabet="0123456789.% eE+-coverage"))
    def check(budget):
        kept = answers(lambda: results.kept(budget))
        assert kept is None or 1 <= len(kept) <= 40

    check()


def test_stored_runs(run):
    _, results = run
    stored = results.serialize()
    names = st.sampled_from([*stored["arrays"], "another"])
    flips = st.tuples(st.integers(0, 200), st.integers(0, 127))

    def flipped(text, flip):
        place, code = flip
        return text[: place % len(text)] + chr(code) + text[place % len(text) + 1 :]

    @fuzzed
    @given(st.dictionaries(names, junk | flips | arrays, max_size=3), junk | st.just("whole"))
    def check(spoilt, whole):
        changed = copy.deepcopy(stored)
        for name, value in spoilt.items():
            if isinstance(value, tuple):
                value = flipped(stored["arrays"].get(name, "x"), value)
            elif isinstance(value, np.ndarray) and value.dtype.hasobject is False:
                import fiftyone.core.utils as fou

                value = fou.serialize_numpy_array(value, ascii=True)
            changed["arrays"][name] = value
        changed = changed if whole == "whole" else {"arrays": whole}
        found = answers(lambda: CoresetResults._from_dict(changed, results.samples, results.config, "coreset"))
        assert found is None or len(found) == len(found.ids)

    check()


#: What an event may be sent: things that could be right for one of its parameters, or anything.
LIKELY = st.one_of(
    junk, st.just("coreset"), st.integers(-1, 41), st.sampled_from(["score", "rank", "label", "run:coreset"]),
    st.lists(st.lists(st.floats(-3, 3), min_size=2, max_size=2), min_size=3, max_size=5),
)  # fmt: skip


@pytest.mark.parametrize("names", [[name] for name in sorted(EVENTS)] if DEEP else [sorted(EVENTS)], ids=",".join)
def test_events_of_the_panel(names, run):
    dataset, _ = run
    for name in names:
        ask_anything(dataset, name)


def ask_anything(dataset, name):
    fields = dict.fromkeys(EVENTS[name].model_fields, LIKELY)
    values = st.fixed_dictionaries({}, optional=fields).map(lambda some: {"key": "coreset", **some})

    @settings(max_examples=CALLS, **QUIET)
    @given(values | st.dictionaries(st.sampled_from([*fields, "other"]), junk), st.lists(junk, max_size=3))
    def check(params, selected):
        request = {"dataset_name": dataset.name, "params": {"panel_id": "coreset", **params}, "view": []}
        request["selected"] = selected
        answer = getattr(panel.CoresetPanel(), name)(ExecutionContext(request_params=request, executor=Executor()))
        assert isinstance(answer, dict), name
        assert "error" not in answer or "\n" not in answer["error"], name

    check()
