"""One computation of a run at a time."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import CoresetError

if TYPE_CHECKING:
    from fiftyone.core.dataset import Dataset

_STORE = "fiftyone-coreset-leases"

#: Seconds after which the lease of a process that died is free again.
_LIFETIME = 60.0
_RENEWAL = 15.0


@contextmanager
def run_lock(dataset: Dataset, brain_key: str) -> Iterator[None]:
    """Holds the right to compute one run, and renews it until the work ends.

    Args:
        dataset: the dataset
        brain_key: the name of the run

    Raises:
        CoresetError: if another process, or another thread, is computing the same run
    """
    from fiftyone.operators.store import ExecutionStore

    store = ExecutionStore.create(_STORE, dataset_id=dataset._doc.id)
    owner = uuid.uuid4().hex
    held = store.get(brain_key)
    if held is not None and held["expires"] < time.time():
        store.delete(brain_key)

    def claim() -> dict[str, object]:
        return {"owner": owner, "expires": time.time() + _LIFETIME}

    store.set_if_absent(brain_key, claim())
    if store.get(brain_key)["owner"] != owner:
        raise CoresetError(
            f"run '{brain_key}' of dataset '{dataset.name}' is being computed elsewhere; "
            "wait for it, or choose another brain_key"
        )
    done = threading.Event()

    def renew() -> None:
        while not done.wait(_RENEWAL):
            store.set(brain_key, claim())

    renewal = threading.Thread(target=renew, name=f"lease-{brain_key}", daemon=True)
    renewal.start()
    try:
        yield
    finally:
        done.set()
        renewal.join()
        store.delete(brain_key)
