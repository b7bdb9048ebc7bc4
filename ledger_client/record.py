"""What the server said of one thing: attributes for new programs, keys for those there are.

    run.output          run["output"]          run["data"]["output"]

are the same. Values are what came, and a field that a newer server adds is there at once.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from ledger_client.errors import ConnectionFailed

R = TypeVar("R", bound="Record")


class Record(Mapping[str, Any]):
    """One object of the server's. Annotations of its kinds say what there is to read."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    def __getattr__(self, name: str) -> Any:
        try:
            return self._fields[name]
        except KeyError:
            message = f"no {name!r} was sent for this {type(self).__name__}"
            raise AttributeError(message) from None

    def __getitem__(self, name: str) -> Any:
        if name == "data" and "data" not in self._fields:
            return self
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __hash__(self) -> int:
        return hash(self._fields.get("id"))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self._fields),)

    def __repr__(self) -> str:
        said = ", ".join(f"{name}={value!r}" for name, value in self._fields.items())
        return f"{type(self).__name__}({said})"


def one(kind: Callable[[Mapping[str, Any]], R]) -> Callable[[Any], R]:
    """Reads an answer about one thing."""
    return lambda body: kind(data_of(body, dict))


def many(kind: Callable[[Mapping[str, Any]], R]) -> Callable[[Any], list[R]]:
    """Reads an answer that is a list without pages."""
    return lambda body: [kind(each) for each in data_of(body, list)]


def nothing(_: Any) -> None:
    """Reads an answer that says nothing."""


def data_of(body: Any, kind: type) -> Any:
    """What is in the envelope.

    Raises:
        ConnectionFailed: whoever answered was no ledger: a proxy, or another program.
    """
    data = body.get("data") if isinstance(body, Mapping) else None
    if not isinstance(data, kind):
        message = "what was answered is not the answer of a ledger; is the address right?"
        raise ConnectionFailed(message)
    return data
