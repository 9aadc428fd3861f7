"""The operators of the App: forms and messages around the library, no algorithms; see :mod:`.operator`."""

from importlib import import_module
from pkgutil import iter_modules


def register(plugin):
    """Registers every operator of this folder with FiftyOne; ``fiftyone.yml`` says which are switched on."""
    from .operator import CoresetOperator

    for module in iter_modules(__path__):
        loaded = import_module(f".{module.name}", __name__)
        for found in vars(loaded).values():
            here = isinstance(found, type) and found.__module__ == loaded.__name__
            if here and issubclass(found, CoresetOperator) and found is not CoresetOperator:
                plugin.register(found)
