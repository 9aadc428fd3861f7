"""Threads that multiply matrices side by side."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def product_threads(num_workers: int | None = None) -> Iterator[ThreadPoolExecutor]:
    """Threads whose matrix products take one core each, so that everything around the products is done side by side.

    Args:
        num_workers (None): threads, by default one for each core
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(num_workers or os.cpu_count()) as threads:
        yield threads
