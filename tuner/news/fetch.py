"""Fetches one document within a deadline and a size of our own, and follows nothing."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from shared.clock import NS_PER_S, Clock
from shared.errors import FeedError
from tuner.call import BackgroundCall

MAX_BYTES = 2_000_000
DEADLINE_S = 10.0


def fetch(url: str, clock: Clock, *, body: Any = None, deadline_s: float = DEADLINE_S, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the document behind ``url``, uncompressed.

    Parameters
    ----------
    body
        Posted as JSON where there is one.
    deadline_s
        For everything together, however slowly the bytes trickle.

    Errors
    ------
    FeedError
        For another scheme than http, an answer other than 200, a redirect, compression, too many bytes or too little time.
    """
    host = _host(url)
    call = BackgroundCall(lambda: _outcome(url, host, clock, body, deadline_s, max_bytes), f"news-{host}")
    if not call.wait(deadline_s):  # a server may keep a read alive byte by byte: the thread is left to itself, the answer too
        raise FeedError(f"news from {host}: was slower than {deadline_s:g} s, expected an answer by then")
    if isinstance(call.result, bytes):
        return call.result
    raise call.result or FeedError(f"news from {host}: was unreadable, expected an answer")


def _outcome(url: str, host: str, clock: Clock, body: Any, deadline_s: float, max_bytes: int) -> bytes | FeedError:
    """Return the document, or the error that keeps it away."""
    import httpx

    started_ns = clock.monotonic_ns()
    headers = {"accept-encoding": "identity", "user-agent": "trader-tuner-news"}  # no zip bombs where nothing is unzipped
    data = bytearray()
    try:
        with (
            httpx.Client(timeout=deadline_s, follow_redirects=False, trust_env=False) as client,
            client.stream("GET" if body is None else "POST", url, json=body, headers=headers) as answer,
        ):
            _check(answer.status_code, answer.headers, host)
            for chunk in answer.iter_raw():
                data += chunk
                if len(data) > max_bytes:
                    return FeedError(f"news from {host}: was over {max_bytes} bytes, expected less")
                if clock.monotonic_ns() - started_ns > deadline_s * NS_PER_S:
                    return FeedError(f"news from {host}: was slower than {deadline_s:g} s, expected an answer by then")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return FeedError(f"news from {host}: was unreachable ({type(error).__name__}), expected an answer")
    except FeedError as error:
        return error
    return bytes(data)


def _host(url: str) -> str:
    """Return the host, which alone is shown: a path may hold a key."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or not host:
        raise FeedError(f"news address: was {url[:60]!r}, expected http:// or https:// with a host")
    return host


def _check(status: int, headers: Any, host: str) -> None:
    if 300 <= status < 400:
        raise FeedError(f"news from {host}: was a redirect ({status}), expected the document; name its final address")
    if status != 200:
        raise FeedError(f"news from {host}: was HTTP {status}, expected 200")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise FeedError(f"news from {host}: was compressed though it was told not to be, expected plain bytes")
