"""Recording functions that exist: what they are given, what they give, and how they fail."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import wraps
from inspect import (
    Signature,
    isasyncgenfunction,
    iscoroutinefunction,
    isgeneratorfunction,
    signature,
)
from typing import Any, Protocol, TypeVar

from ledger_client.recorder.recording import Recording

F = TypeVar("F", bound=Callable[..., Any])
_METHODS = ("self", "cls")


class Records(Protocol):
    """A client, as far as it records."""

    @property
    def record(self) -> Callable[..., Recording]:
        """Makes a run, to be entered."""


def recorded(client: Records, **announcement: Any) -> Callable[[F], F]:
    """A decorator: each call of the function is a run.

    The arguments become the input, by name; what is returned becomes the output, a mapping as it
    is, anything else as `{"result": ...}`. An exception fails the run and goes on to the caller.

    Args:
        client: a `Ledger` or an `AsyncLedger`.
        announcement: as for `record`; `agent` is the function's name unless given.
    """

    def decorate(function: F) -> F:
        if isgeneratorfunction(function) or isasyncgenfunction(function):
            message = f"{function.__qualname__} is a generator; record its run with `record`"
            raise TypeError(message)
        begin = _beginner(client, function, announcement)
        wrap = _awaiting if iscoroutinefunction(function) else _blocking
        wrapped: F = wrap(function, begin)
        return wrapped

    return decorate


Begin = Callable[[tuple[Any, ...], dict[str, Any]], AbstractContextManager[Recording]]


def _beginner(client: Records, function: Any, announcement: Mapping[str, Any]) -> Begin:
    said = dict(announcement)
    if said.get("agent") is None and said.get("agent_id") is None:
        said["agent"] = function.__name__
    known = signature(function)
    return lambda args, named: client.record(**said, input=arguments(known, args, named))


def _blocking(function: Any, begin: Begin) -> Any:
    @wraps(function)
    def call(*args: Any, **named: Any) -> Any:
        with begin(args, named) as run:
            run.output = function(*args, **named)
            return run.output

    return call


def _awaiting(function: Any, begin: Begin) -> Any:
    @wraps(function)
    async def call(*args: Any, **named: Any) -> Any:
        with begin(args, named) as run:
            run.output = await function(*args, **named)
            return run.output

    return call


def arguments(known: Signature, args: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call by name, defaults included, without the object of a method."""
    try:
        bound = known.bind(*args, **named)
    except TypeError:  # the call itself will say so
        return {"args": list(args), **named}
    bound.apply_defaults()
    return {
        name: value
        for position, (name, value) in enumerate(bound.arguments.items())
        if not (position == 0 and name in _METHODS)
    }
