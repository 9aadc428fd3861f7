"""The dataset and the arguments of the tests of runs."""

from small_runs import embedded, quick  # noqa: F401
