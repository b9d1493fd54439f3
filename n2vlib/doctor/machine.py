"""Cores, memory and GPUs."""

import os
from collections.abc import Iterator

import torch

from n2vlib.doctor.finding import MISSING, OK, Finding, size
from n2vlib.workers.threads import cores


def memory() -> int | None:
    """Bytes of memory of this machine; None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows
        return None


def found() -> Iterator[Finding]:
    """What computes here."""
    known = memory()
    here = size(known) if known else "memory unknown"
    yield Finding(OK, "processor", f"{cores()} of {os.cpu_count()} cores used (OMP_NUM_THREADS), {here}")
    gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    for i, gpu in enumerate(gpus if torch.cuda.is_available() else []):
        yield Finding(OK, f"cuda:{i}", f"{gpu.name}, {size(gpu.total_memory)}")
    if torch.backends.mps.is_available():
        yield Finding(OK, "mps", "Apple GPU")
    elif not torch.cuda.is_available():
        yield Finding(MISSING, "GPU", "torch sees none; everything runs on the processor")
