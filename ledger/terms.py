"""The terms on which a version's executions are worked on: how often, how soon again, how long."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ledger.errors import InvalidConfig
from ledger.fields import Number

_LONGEST_SECONDS = 366 * 24 * 60 * 60


class Terms(BaseModel):
    """What a version's config says about work on its executions; what it does not say is None.

    Attributes:
        max_attempts: how many attempts may be lost with their workers; the last of them fails it.
        retry_backoff_s: seconds before an execution whose worker was lost is given to another;
            twice as long after each further loss.
        max_duration_s: seconds that the work may take in all, waiting for humans not counted.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    max_attempts: int | None = None
    retry_backoff_s: float | None = None
    max_duration_s: float | None = None


class _Asked(BaseModel):
    """Terms as a config may ask for them."""

    max_attempts: int | None = Field(None, ge=1, le=100, strict=True)
    retry_backoff_s: Number | None = Field(None, ge=0, le=_LONGEST_SECONDS)
    max_duration_s: Number | None = Field(None, gt=0, le=_LONGEST_SECONDS)


def terms_of(config: dict[str, Any]) -> Terms:
    """The terms that a version's config holds.

    Raises:
        InvalidConfig: one of them is out of its bounds, or not a number; names it.
    """
    try:
        asked = _Asked.model_validate(config)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        message = f"config.{problem['loc'][0]}: {problem['msg']}"
        raise InvalidConfig(message) from None
    return Terms(**dict(asked))
