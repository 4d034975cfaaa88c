"""A seqlock over two copies: readers never wait and a writer killed half-way never blocks them.

This is the *latch* form of the seqlock (Linux: ``seqcount_latch_t``). ``version`` counts commits; copy ``version & 1`` is the
readable one, and the writer fills the other. A reader's copy is consistent exactly when ``version`` did not move meanwhile.
The fences are real LLVM fences: free on x86, needed on arm64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import intrinsic

from shared.compiled import compiled
from shared.errors import TornRead

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.unsignedinteger[Any]]
Counter = npt.NDArray[np.uint64]

_TRIES = 64


@intrinsic
def full_fence(typingctx: Any) -> Any:
    """Order every load and store before it against every one after it."""

    def codegen(context: Any, builder: Any, _signature: Any, _args: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), codegen


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    from numba.np.arrayobj import make_array

    return builder.gep(make_array(array_type)(context, builder, array).data, [index])


@intrinsic
def load_acquire(typingctx: Any, counters: Any, index: Any) -> Any:
    """Load ``counters[index]`` (uint64) so that later loads see at least what was stored before it."""
    signature = counters.dtype(counters, types.intp)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load_atomic(_pointer(context, builder, sig.args[0], args[0], args[1]), "acquire", 8)

    return signature, codegen


@intrinsic
def store_release(typingctx: Any, counters: Any, index: Any, value: Any) -> Any:
    """Store ``value`` into ``counters[index]`` (uint64) after everything stored before it."""
    signature = types.void(counters, types.intp, counters.dtype)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store_atomic(args[2], _pointer(context, builder, sig.args[0], args[0], args[1]), "release", 8)
        return context.get_dummy_value()

    return signature, codegen


@compiled
def begin_write(version: Counter) -> int:
    """Return the index (0 or 1) of the copy to fill; no store of the fill can overtake the last commit."""
    full_fence()
    return int((version[0] + np.uint64(1)) & np.uint64(1))


@compiled
def commit_write(version: Counter) -> None:
    """Make the copy that was filled the readable one."""
    store_release(version, 0, version[0] + np.uint64(1))


@compiled
def try_read(version: Counter, copies: Words, out: Words) -> bool:
    """Copy the readable one of ``copies`` (integers, shape (2, n)) to ``out`` (n,); False if the writer overtook us."""
    before = load_acquire(version, 0)
    out[:] = copies[int(before & np.uint64(1))]
    full_fence()
    return bool(load_acquire(version, 0) == before)


def read_copy(version: Counter, copies: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """Return a private consistent copy, shape (1,), of the readable one of two records (an aligned layout, shape (2,)).

    Errors
    ------
    TornRead
        As :func:`read_latched`.
    """
    out = np.empty(1, copies.dtype)
    # whole words: eight times fewer moves than bytes, and every aligned layout is a multiple of them
    read_latched(version, copies.view(np.uint64).reshape(2, -1), out.view(np.uint64))
    return out


def read_latched(version: Counter, copies: Words, out: Words) -> None:
    """Copy a consistent state to ``out``.

    Errors
    ------
    TornRead
        If a writer committed during each of 64 tries; try again later.
    """
    for _ in range(_TRIES):
        if try_read(version, copies, out):
            return
    raise TornRead(f"reads: was {_TRIES} torn in a row, expected one between two writes; read again in a moment")
