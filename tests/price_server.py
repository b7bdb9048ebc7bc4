"""A server of price lists, in the format of genai-prices, on a socket of its own."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, sleep
from typing import Any

from genai_prices.data_snapshot import set_custom_snapshot

PATIENCE = 30
"""Seconds; whatever is waited for comes at once, unless this process stands still."""


class PriceServer:
    """What it answers from now on, and how often it was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked = 0
        self._answer = 200, b"[]"

    def answer(self, body: Any, status: int = 200) -> None:
        """Answer with JSON, or with bytes as they are."""
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._answer = status, text  # at once: somebody may be asking just now

    def wait_for_more(self) -> None:
        """Until what is answered now was taken up or refused: the one who asks came back."""
        asked, end = self.asked, monotonic() + PATIENCE
        while self.asked < asked + 2:
            assert monotonic() < end, "nobody asks for the price list"
            sleep(0.01)

    def reply(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer a request."""
        self.asked += 1
        status, text = self._answer
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)


def listing(model: str, input_usd: str) -> Any:
    """A list of one provider and one model: dollars per million tokens of the prompt."""
    prices = {"input_mtok": input_usd, "output_mtok": "10"}
    made = {"id": model, "match": {"equals": model}, "prices": prices}
    pattern = r"https://api\.openai\.com"
    return [{"id": "openai", "name": "OpenAI", "api_pattern": pattern, "models": [made]}]


@contextmanager
def price_server() -> Iterator[PriceServer]:
    """One on a free port. Afterwards the packaged list is in force again."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.reply(self)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = PriceServer(f"http://127.0.0.1:{httpd.server_port}/prices.json")
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    try:
        yield served
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()
        _let_updates_end()
        set_custom_snapshot(None)


def _let_updates_end() -> None:
    """The library's thread goes by itself once nobody needs it; a fetch under way comes first."""
    for thread in threading.enumerate():
        if thread.name == "genai_prices:update":
            thread.join(PATIENCE)
            assert not thread.is_alive()
