"""A proxy in front of PostgreSQL: one that loses an answer, or lends sessions by the transaction.

It understands just enough of the protocol to know where an exchange ends.
"""

import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

_NAME = ".s.PGSQL.5432"


class Proxy:
    """Listens on a socket in a folder; every client gets a session at the server, or two."""

    def __init__(self, server: str, folder: Path, sessions: int) -> None:
        self._server = f"{parse_qs(urlsplit(server).query)['host'][0]}/{_NAME}"
        self._sessions = sessions
        self._losing = b""
        self.away = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / _NAME))
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def lose_the_answer_to(self, statement: bytes) -> None:
        """Cut the next client off that sends this, after the server has done it."""
        self._losing = statement

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        upstreams: list[socket.socket] = []
        try:
            if not self.away:
                self._exchange(client, upstreams)
        except (EOFError, OSError):
            pass
        finally:
            for each in (client, *upstreams):
                each.close()

    def _exchange(self, client: socket.socket, upstreams: list[socket.socket]) -> None:
        startup = _with_length(client, b"")
        for _ in range(self._sessions):
            upstream = socket.socket(socket.AF_UNIX)
            upstream.connect(self._server)
            upstream.sendall(startup)
            upstreams.append(upstream)
        welcomes = [_answer(upstream) for upstream in upstreams]
        client.sendall(_disguised(welcomes[0]) if self._sessions > 1 else welcomes[0])
        turn = 0
        while request := _request(client):
            upstream = upstreams[turn % len(upstreams)]
            upstream.sendall(request)
            answer = _answer(upstream)
            if self._losing and self._losing in request:
                self._losing = b""
                return
            client.sendall(answer)
            if answer.endswith(b"I"):  # no transaction is open: the session may go to another
                turn += 1


def _request(client: socket.socket) -> bytes:
    """What a client sends until it waits for an answer; nothing when it takes its leave."""
    request = b""
    while True:
        kind = _exactly(client, 1)
        request += _with_length(client, kind)
        if kind in b"QS":
            return request
        if kind == b"X":
            return b""


def _answer(upstream: socket.socket) -> bytes:
    """What the server sends until it is ready for more."""
    answer = b""
    while True:
        kind = _exactly(upstream, 1)
        answer += _with_length(upstream, kind)
        if kind == b"Z":
            return answer


def _disguised(welcome: bytes) -> bytes:
    """A welcome that names another process than the server's, as poolers send it."""
    place = welcome.index(b"K\0\0\0") + 5
    return welcome[:place] + struct.pack("!I", 1) + welcome[place + 4 :]


def _with_length(source: socket.socket, kind: bytes) -> bytes:
    length = _exactly(source, 4)
    return kind + length + _exactly(source, struct.unpack("!I", length)[0] - 4)


def _exactly(source: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        more = source.recv(size - len(got))
        if not more:
            raise EOFError
        got += more
    return got


@contextmanager
def proxy_before(url: str, folder: Path, sessions: int = 1) -> Iterator[tuple[Proxy, str]]:
    """A proxy, and the URL of the same schema behind it."""
    parts = urlsplit(url)
    host = parse_qs(parts.query)["host"][0]
    proxy = Proxy(url, folder, sessions)
    try:
        yield proxy, url.replace(f"host={host}", f"host={quote(os.fspath(folder))}")
    finally:
        proxy.close()
