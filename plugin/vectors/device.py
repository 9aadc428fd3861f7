"""Where the large products are computed: by the compiled kernels on the processor, or by torch on a GPU."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ..errors import CoresetError

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

#: The environment variable that names the device: "cpu" for the processor, "cuda" or "cuda:1" for a GPU.
VARIABLE = "FIFTYONE_CORESET_DEVICE"
#: Multiplications that a core of a processor does while torch is imported; below, a GPU is not looked for.
WORTH = 1e11

#: What the drivers of a CUDA device create, on Linux and on Linux within Windows. Without it there is no need to
#: import torch, which takes seconds, to know that there is no GPU.
_DRIVERS = ("/dev/nvidiactl", "/dev/dxg")
#: Share of the device's free memory that may be taken.
_SHARE = 0.5
#: Bytes of a block of products. The same wherever it is computed, because sizes of products show in the last bits.
_BLOCK = 2**27
#: Blocks that exist at a time.
_BLOCKS = 4


def gpu_for(work: float, n_bytes: int) -> torch.device | None:
    """The GPU that is to do some work, if any.

    Args:
        work: multiplications
        n_bytes: bytes of what lies on the device all the time

    Returns:
        the device that the environment variable :data:`VARIABLE` names, else the first GPU if the work is worth it;
        None where the processor is to compute. A GPU that cannot be used, has too little memory, or on which torch is
        set to multiply inexactly, is left alone with a warning

    Raises:
        CoresetError: if the variable names no device of this machine
    """
    wanted = os.environ.get(VARIABLE, "").strip().lower()
    if wanted == "cpu":
        return None
    device = _named(wanted) if wanted else _found() if work >= WORTH else None
    if device is None:
        return None
    try:
        obstacle = _obstacle(device, n_bytes)
    except RuntimeError as error:  # a GPU that is busy, too old for this torch, or not for a process that was forked
        obstacle = str(error).splitlines()[0]
    if obstacle:
        logger.warning(f"{device} is not used: {obstacle}; the processor computes instead")
        return None
    return device


def block_rows(width: int) -> int:
    """Rows of ``width`` floats that make one block of a product."""
    return max(1, _BLOCK // (4 * width))


def free_bytes(device: torch.device) -> int:
    """Memory of a device that nobody uses, with what torch keeps to use again."""
    import torch

    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + kept


@contextmanager
def named_if_full(device: torch.device) -> Iterator[None]:
    """Says what to do when others take the memory of a device meanwhile.

    Raises:
        CoresetError: if the device runs out of memory within the block
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise CoresetError(
            f"{device} ran out of memory while others use it; free some, or set {VARIABLE}=cpu to do without it"
        ) from error


@cache
def _found() -> torch.device | None:
    if not any(os.path.exists(node) for node in _DRIVERS) or find_spec("torch") is None:
        return None
    import torch

    return torch.device("cuda") if torch.cuda.is_available() else None


def _named(name: str) -> torch.device:
    if find_spec("torch") is None:
        raise CoresetError(f"{VARIABLE}={name} needs torch: pip install 'fiftyone-coreset[clip]', or unset it")
    import torch

    number = name.removeprefix("cuda").removeprefix(":") or "0"
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not name.startswith("cuda") or not number.isdigit() or int(number) >= count:
        raise CoresetError(f"{VARIABLE}={name}: torch finds {count} CUDA devices here; give cpu, cuda or cuda:number")
    return torch.device(name)


def _obstacle(device: torch.device, n_bytes: int) -> str | None:
    """Why a device cannot be used, if so.

    Raises:
        RuntimeError: if torch cannot use it at all
    """
    import torch

    free, needed = free_bytes(device), n_bytes + _BLOCKS * _BLOCK
    if needed > _SHARE * free:
        return f"{needed / 2**30:.1f} GB are needed, more than half of the {free / 2**30:.1f} GB that are free there"
    # Whether products keep the digits of float32 is tried, because torch has several switches that change it.
    values = torch.full((128, 128), 1 + 2**-12, device=device)
    if not torch.equal(values @ torch.eye(128, device=device), values):
        return "torch is set to round products to TF32, too coarse for distances"
    return None
