"""The one body of every error."""

from typing import Any

from pydantic import BaseModel, Field


class ErrorDetail(BaseModel):
    """What is wrong, for programs (`code`) and for people (`message`)."""

    code: str
    message: str
    details: dict[str, Any]


class Problem(BaseModel):
    """An error: `error` for published clients, the members of RFC 9457 beside it."""

    error: ErrorDetail | str = Field(description="A plain text when the fault is the server's.")
    type: str
    title: str
    status: int
    detail: str
    instance: str
