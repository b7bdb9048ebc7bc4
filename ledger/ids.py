"""Identifiers: KSUIDs for whatever users see, W3C trace ids for traces.

A KSUID (segment.com's format) is 27 base62 characters: 32 bits of seconds since 2014-05-13 and
128 random bits, so that ids sort by the second in which they were made.
"""

import os
import random
import re
import secrets
from datetime import datetime

_EPOCH = 1_400_000_000
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LENGTH = 27
_KSUID = re.compile(r"[0-9A-Za-z]{27}\Z")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}\Z")
_NO_TRACE = "0" * 32

_names = random.Random()  # noqa: S311 - nobody gains by guessing a name
os.register_at_fork(after_in_child=_names.seed)


def new_id(now: datetime) -> str:
    """Make a KSUID for this second."""
    number = (int(now.timestamp()) - _EPOCH) << 128 | secrets.randbits(128)
    digits = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))


def is_id(text: str) -> bool:
    """Whether the text has the form of an id; nothing else is looked up."""
    return _KSUID.match(text) is not None


def random_hex(size: int) -> str:
    """Random bytes in hexadecimal, for names that must be unique and need not be secret.

    They come from the process's own generator: asking the operating system gives the interpreter
    away, and a thread under load waits milliseconds to have it back.
    """
    return _names.randbytes(size).hex()


def new_trace_id() -> str:
    """Make a W3C trace id: 32 hexadecimal characters, not all zero."""
    return random_hex(16)


def trace_id_of(traceparent: str | None) -> str | None:
    """Take the trace id out of a `traceparent` header; None when there is no valid one."""
    match = _TRACEPARENT.match(traceparent or "")
    if match is None or match[1] == _NO_TRACE:
        return None
    return match[1]
