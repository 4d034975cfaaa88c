"""One way to compile a kernel, with a cache that notices a change in any source file.

Numba's own cache looks only at the file of the compiled function; a change in a callee elsewhere would go unnoticed.
The cache folder therefore carries a hash of every source file that compiled code is made from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from shared.paths import cache_dir, project_root

_KERNELS = (
    "shared",
    *(f"trader/{room}" for room in ("engine", "market", "signals", "strategies", "risk", "execution", "portfolio")),
)

_BYTES_OF_A_FLOAT = 8

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


@intrinsic  # type: ignore[untyped-decorator]
def move_elements(_context: Any, levels: Any, to: Any, start: Any, count: Any) -> Any:  # noqa: ARG001 - numba matches them by name
    """Move ``count`` elements of a float64 array from ``start`` on to ``to``: a third of the time of a loop."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        source, target = builder.gep(data, [arguments[2]]), builder.gep(data, [arguments[1]])
        cgutils.raw_memmove(builder, target, source, arguments[3], context.get_constant(types.intp, _BYTES_OF_A_FLOAT))
        return context.get_dummy_value()

    return types.void(levels, types.intp, types.intp, types.intp), emit


def counter_below(lanes: int) -> Any:
    """Return a compiled ``count(keys, count, key)``: how many of the first ``count`` keys are below ``key``.

    All ``lanes`` elements (at most 63, of a float64 array that has so many) are compared at once, whatever the order of the keys:
    there is no branch on the data to guess.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def count_below(_context: Any, keys: Any, count: Any, key: Any) -> Any:  # noqa: ARG001 - as above
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            keys, wide = ir.VectorType(ir.DoubleType(), lanes), ir.IntType(64)
            data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
            loaded = builder.load(builder.bitcast(data, keys.as_pointer()), align=_BYTES_OF_A_FLOAT)
            nothing, none = ir.Constant(keys, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
            one = builder.insert_element(nothing, arguments[2], ir.Constant(ir.IntType(32), 0))
            below = builder.fcmp_ordered("<", loaded, builder.shuffle_vector(one, nothing, none))
            bits = builder.zext(builder.bitcast(below, ir.IntType(lanes)), wide)
            used = builder.sub(builder.shl(ir.Constant(wide, 1), arguments[1]), ir.Constant(wide, 1))
            return builder.ctpop(builder.and_(bits, used))

        return types.int64(keys, types.int64, types.float64), emit

    return count_below
