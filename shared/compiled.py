"""One way to compile a kernel, with a cache that notices a change in any source file.

Numba's own cache looks only at the file of the compiled function; a change in a callee elsewhere would go unnoticed.
The cache folder therefore carries a hash of every source file that compiled code is made from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import ParamSpec, TypeVar

import numba

from shared.paths import cache_dir, project_root

_KERNELS = (
    "shared",
    *(f"trader/{room}" for room in ("engine", "market", "signals", "strategies", "risk", "execution", "portfolio")),
)

P = ParamSpec("P")
R = TypeVar("R")


@cache
def _source_hash() -> str:
    digest = hashlib.sha256(numba.__version__.encode())
    for folder in _KERNELS:
        for source in sorted((project_root() / folder).glob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def compiled_cache_dir() -> Path:
    """Return the folder of the compiled code that belongs to these very sources."""
    return cache_dir() / "numba" / _source_hash()


numba.config.CACHE_DIR = str(compiled_cache_dir())


def compiled(kernel: Callable[P, R]) -> Callable[P, R]:
    """Compile a function to machine code, cached on disk; IEEE arithmetic is kept so that results are reproducible."""
    kernel_: Callable[P, R] = numba.njit(cache=True, fastmath=False, error_model="numpy")(kernel)
    return kernel_
