"""What executions can be searched by beside their columns: models, and metadata by key."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from ledger.strict_json import decode_exact, encode

MODEL = "model"
METADATA = "metadata."
_LONGEST = 200  # characters; an index entry has to fit a database page


def labels_of(models: str, metadata: str) -> Iterator[tuple[str, str]]:
    """The labels of an execution, as (name, value).

    Args:
        models: JSON list.
        metadata: JSON object; its top-level keys are searchable.
    """
    for model in decode_exact(models.encode()):
        yield MODEL, searchable(model)
    yield from metadata_labels(metadata)


def metadata_labels(metadata: str) -> Iterator[tuple[str, str]]:
    """The labels that come of metadata."""
    for key, value in decode_exact(metadata.encode()).items():
        yield metadata_name(key), value_of(value)


def metadata_name(key: str) -> str:
    """The name under which a key of the metadata is searched."""
    return searchable(METADATA + key)


def value_of(value: Any) -> str:
    """A value as one asks for it: text as it is, everything else as JSON."""
    return searchable(value if isinstance(value, str) else encode(value).decode())


def searchable(text: str) -> str:
    """Text that every database can index: too long, or with a NUL, it is known by its digest."""
    if len(text) <= _LONGEST and "\0" not in text:
        return text
    return f"sha256:{sha256(text.encode()).hexdigest()}"
