"""An OpenAI-compatible address on loopback that answers embeddings as a script says."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]


class EmbeddingServer:
    """`answer` does as it likes with each request; `asked` holds the bodies that came."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[dict[str, Any]] = []
        self.released = threading.Event()
        script = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                script.asked.append({**body, "path": self.path})
                script.answer(self, body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its signature
                """Nothing: the test says what went wrong."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.http.server_port}/v1"


@contextmanager
def serving(answer: Answer) -> Iterator[EmbeddingServer]:
    server = EmbeddingServer(answer)
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.http.shutdown()
        server.http.server_close()
        thread.join()


def send(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def vectors(
    dimensions: int = 512, *, value: float = 0.5, backwards: bool = False, fewer: int = 0
) -> Answer:
    """Answers each text with a vector of `dimensions`, whose first number tells its place."""

    def answer(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": [float(index + 1)] + [value] * (dimensions - 1),
            }
            for index in range(len(body["input"]) - fewer)
        ]
        told = {
            "object": "list",
            "data": data[::-1] if backwards else data,
            "model": body["model"],
            "usage": {"prompt_tokens": 1, "total_tokens": 1},
        }
        send(handler, json.dumps(told).encode())

    return answer
