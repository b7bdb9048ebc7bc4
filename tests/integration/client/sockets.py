"""Bad networks: a proxy that cuts connections, and servers that answer what a test tells them."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Proxy:
    """Between a client and a server; cuts the answer of each connection as it is told.

    Attributes:
        port: where it listens.
        target: the port of the server.
        cuts: for each connection in turn, after how many bytes of the answer it is cut; None or
            no entry lets it through.
        connections: how many were made.
    """

    target: int
    port: int = 0
    cuts: list[int | None] = field(default_factory=list)
    connections: int = 0

    def serve(self, listener: socket.socket) -> None:
        """Accept until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                cut = self.cuts[self.connections] if self.connections < len(self.cuts) else None
                self.connections += 1
                threading.Thread(target=self._join, args=(client, cut), daemon=True).start()

    def _join(self, client: socket.socket, cut: int | None) -> None:
        with suppress(OSError), client, socket.create_connection(("127.0.0.1", self.target)) as far:
            pump = threading.Thread(target=self._pump, args=(client, far), daemon=True)
            pump.start()
            left = cut
            while left is None or left > 0:
                piece = far.recv(65536 if left is None else left)
                if not piece:
                    break
                client.sendall(piece)
                left = None if left is None else left - len(piece)
            client.shutdown(socket.SHUT_RDWR)
            far.shutdown(socket.SHUT_RDWR)

    def _pump(self, client: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while piece := client.recv(65536):
                far.sendall(piece)


@contextmanager
def proxy_to(port: int, cuts: list[int | None]) -> Iterator[Proxy]:
    """A proxy to a server's port."""
    proxy = Proxy(port, cuts=cuts)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy.port = listener.getsockname()[1]
        thread = threading.Thread(target=proxy.serve, args=(listener,), daemon=True)
        thread.start()
        yield proxy
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@dataclass
class Scripted:
    """A server that gives one answer after the other, each on a connection of its own.

    Attributes:
        answers: raw HTTP; an empty one closes the connection without a word; the last one is
            given for ever.
        requests: what came in.
    """

    answers: list[bytes]
    port: int = 0
    requests: list[bytes] = field(default_factory=list)

    def serve(self, listener: socket.socket) -> None:
        """Answer until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with suppress(OSError), client:
                    self._answer(client)

    def _answer(self, client: socket.socket) -> None:
        request = client.recv(65536)
        while b"\r\n\r\n" not in request:
            request += client.recv(65536)
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        client.sendall(answer)


@contextmanager
def scripted(*answers: bytes) -> Iterator[Scripted]:
    """A server with a script."""
    server = Scripted(list(answers))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.port = listener.getsockname()[1]
        thread = threading.Thread(target=server.serve, args=(listener,), daemon=True)
        thread.start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def answer(
    status: str, body: bytes = b"{}", *headers: str, media: str = "application/json"
) -> bytes:
    """One HTTP answer that closes its connection."""
    head = [f"HTTP/1.1 {status}", f"Content-Type: {media}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, "Connection: close", *headers, "", ""]).encode() + body


def free_port() -> int:
    """A port on which nobody listens now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
