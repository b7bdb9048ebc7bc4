"""Digests of what people were shown, over canonical JSON (RFC 8785): any program can recompute."""

from hashlib import sha256
from typing import Any

import rfc8785

from ledger.errors import Refused
from ledger.strict_json import plain


class NotCanonical(Refused):
    """A number in the payload has no form that all programs agree on."""

    code = "not_canonical"


def digest_of(payload: Any) -> str:
    """The digest as text: `sha256:` and 64 hexadecimal characters.

    Raises:
        NotCanonical: an integer beyond 2^53; send such a number as a string.
    """
    try:
        canonical = rfc8785.dumps(plain(payload))
    except rfc8785.CanonicalizationError as error:
        message = f"the payload cannot be digested: {error}; send large numbers as strings"
        raise NotCanonical(message) from None
    return f"sha256:{sha256(canonical).hexdigest()}"
