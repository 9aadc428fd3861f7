"""Every public name has an example in its docstring, and every example of the library gives what it says."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from types import ModuleType

import example_data
import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone_coreset import plugin

#: What FiftyOne and this package call to store objects; nobody else does.
STORAGE = {"attributes", "serialize", "to_arrays", "from_arrays", "from_dict", "successor"}
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def _methods(value: object) -> list[str]:
    """The methods that a class of this package, or one that it is made of, adds for its users."""
    if not inspect.isclass(value):
        return []
    ours = {name for base in value.__mro__ if base.__module__.startswith(fc.__name__) for name in vars(base)}
    return sorted(name for name in ours if name[0] != "_" and name not in STORAGE and callable(getattr(value, name)))


@pytest.mark.parametrize("name", sorted(fc._PUBLIC))
def test_a_public_name_has_examples_that_give_what_they_say(name, run):
    value = getattr(fc, name)
    documented = {name: value} | {f"{name}.{method}": getattr(value, method) for method in _methods(value)}
    assert [each for each, thing in documented.items() if ">>> " not in (inspect.getdoc(thing) or "")] == []
    run(value, inspect.getmodule(value))


def test_examples_inside_the_library_give_what_they_say(run):
    public = set(fc._PUBLIC.values())
    for info in pkgutil.walk_packages(plugin.__path__, f"{plugin.__name__}."):
        if info.name.removeprefix(f"{fc.__name__}.") not in public:
            module = importlib.import_module(info.name)
            run(module, module)


#: Methods that need no paper: chance, strata, a score of the user's, and likeness to examples.
OWN = {"by_field", "random", "similar", "stratified"}


def test_a_method_ends_with_the_papers_it_comes_from():
    methods = {name: inspect.getdoc(fc.get_method(name).function) for name in fc.list_methods()}
    assert {name for name, text in methods.items() if "\nReferences:\n" not in text} == OWN


@pytest.fixture(scope="module")
def original(mongod, tmp_path_factory) -> Iterator[fo.Dataset]:
    """The dataset that examples speak of; examples get copies of it."""
    dataset = example_data.example_dataset(tmp_path_factory.mktemp("photos"))
    example_data.add_run_and_rounds(dataset)
    yield dataset
    dataset.delete()


@pytest.fixture
def run(original, tmp_path, monkeypatch) -> Iterator[Callable]:
    """Runs the examples of a function, a class with its methods, or a module, each with a dataset of its own."""
    monkeypatch.chdir(tmp_path)
    before = set(fo.list_datasets())

    def names(source: str) -> dict:
        """What examples may use without making it."""
        arrays = {
            "embeddings": np.array(original.values("clip_embeddings")),
            "labels": original.values("ground_truth.label"),
        }
        if not re.search(r"\b(dataset|results|rounds)\b", source):
            return {"fc": fc, "np": np, **arrays}
        dataset = original.clone()
        return {
            "fc": fc,
            "fo": fo,
            "np": np,
            "dataset": dataset,
            "results": fc.load_run(dataset, "coreset"),
            "rounds": fc.load_rounds(dataset, "rounds"),
            "new_files": [str(path) for path in example_data.write_pictures(tmp_path / "new", 3, seed=1)],
            **arrays,
        }

    def run(value: object, module: ModuleType) -> None:
        said: list[str] = []
        runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
        for test in doctest.DocTestFinder().find(value, getattr(value, "__name__", None), module):
            if test.examples:
                test.globs |= names("".join(example.source for example in test.examples))
                runner.run(test, out=said.append)
        if runner.failures:
            pytest.fail("".join(said), pytrace=False)

    yield run
    for name in set(fo.list_datasets()) - before:
        fo.delete_dataset(name)
