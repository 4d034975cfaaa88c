"""Local servers that speak the wire shapes of the Messages API and of Ollama, and answer what a test tells them to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support_tuner import make_snapshot, reply_text
from tuner.decision import decision_schema
from tuner.prompt import build_prompt

KEY = "sk-secret-of-the-test"
PROMPT = build_prompt(make_snapshot(), "BTCUSDT", [])
SCHEMA = decision_schema(["BTCUSDT"])
TEXT = reply_text("UPDATE_CONFIG", stop_pct=0.8)
READY = '{"word": "ready", "count": null}'
"""The answer that follows the probe's schema."""


class Server:
    """What was asked, and where."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.released = threading.Event()


Send = Callable[[BaseHTTPRequestHandler, Server], None]


@contextmanager
def serving(answer: Send) -> Iterator[Server]:
    """Run a server on loopback whose every answer is ``answer``."""
    server: Server

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            server.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            server.headers.append({name.lower(): value for name, value in self.headers.items()})
            answer(self, server)

        def do_GET(self) -> None:
            answer(self, server)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            """Say nothing."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = Server(f"http://127.0.0.1:{httpd.server_address[1]}")
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        httpd.shutdown()
        httpd.server_close()
        thread.join()


def sending(body: Any, status: int = 200) -> Send:
    """Return an answer: JSON, or text or bytes as they are."""
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    data = text.encode() if isinstance(text, str) else text

    def answer(handler: BaseHTTPRequestHandler, _server: Server) -> None:
        handler.send_response(status)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(data)))
        handler.send_header("retry-after", "3600")
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def stalling(handler: BaseHTTPRequestHandler, server: Server) -> None:
    """Promise a body and never send it."""
    handler.send_response(200)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"id":')
    handler.wfile.flush()
    server.released.wait(20)


def dripping(handler: BaseHTTPRequestHandler, server: Server) -> None:
    """Send a body so slowly that no single read is ever late."""
    handler.send_response(200)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", "100000")
    handler.end_headers()
    while not server.released.wait(0.1):
        try:
            handler.wfile.write(b" ")
            handler.wfile.flush()
        except OSError:  # the client hung up, as it should
            return


def answering(pick: Callable[[dict[str, Any]], Send]) -> Send:
    """Return an answer that depends on what is asked."""

    def answer(handler: BaseHTTPRequestHandler, server: Server) -> None:
        pick(server.asked[-1] if server.asked else {})(handler, server)

    return answer


def message(*blocks: dict[str, Any], stop: str = "end_turn", **usage: Any) -> dict[str, Any]:
    """Return a message as the API sends it."""
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-5-5", "content": list(blocks),
        "stop_reason": stop, "stop_sequence": None, "usage": {"input_tokens": 1000, "output_tokens": 200} | usage,
    }  # fmt: skip


def text_block(text: str = TEXT) -> dict[str, Any]:
    return {"type": "text", "text": text}


THINKING = {"type": "thinking", "thinking": "Let me see.", "signature": "x"}


def chat(content: str = TEXT, **fields: Any) -> dict[str, Any]:
    """Return a chat answer as Ollama sends it."""
    return {
        "model": "llama3.2", "created_at": "2026-11-01T00:00:00Z", "message": {"role": "assistant", "content": content},
        "done": True, "done_reason": "stop", "total_duration": 5, "prompt_eval_count": 2100, "eval_count": 150,
    } | fields  # fmt: skip


API_ERROR = {"type": "error", "error": {"type": "some_error", "message": f"no, {KEY}"}}
