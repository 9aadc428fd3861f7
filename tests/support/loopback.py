"""Stand-ins for servers, on loopback."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qs, urlsplit


class Server(Protocol):
    """What a server holds, and what it answers."""

    def answer(self, method: str, path: str, query: dict[str, str], content: bytes, key: str) -> tuple[int, Any]:
        """The status and the JSON of a request; ``key`` is what its header for authorization says."""


S = TypeVar("S", bound=Server)


@contextlib.contextmanager
def serving(kind: Callable[[str], S]) -> Iterator[S]:
    """Serves until the block ends; ``kind`` makes the server from its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(asked.query).items()}
            key = self.headers.get("Authorization", "")
            status, answer = held.answer(self.command, asked.path, query, content, key)
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        held = kind(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield held
        finally:
            server.shutdown()
