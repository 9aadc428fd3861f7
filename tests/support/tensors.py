"""A GPU that is none: what runs on one runs on torch's tensors in ordinary memory, in small blocks."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from fiftyone_coreset.plugin.vectors import device, torch_kernel


@contextmanager
def on_tensors(free: int = 2**30) -> Iterator[None]:
    """Within the block every product goes to tensors, however small; checks that some did.

    Args:
        free (2**30): bytes of memory that the device seems to have
    """
    put, used = torch_kernel.put, []
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(device.VARIABLE, raising=False)
        patch.setattr(device, "WORTH", 0)
        patch.setattr(device, "_BLOCK", 2**19)
        patch.setattr(device, "_found", lambda: torch.device("cpu"))
        patch.setattr(device, "free_bytes", lambda _: free)
        patch.setattr(torch_kernel, "put", lambda *args: used.append(args) or put(*args))
        yield
    assert used
