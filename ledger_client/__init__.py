"""A ledger, as other programs use it: ask, watch, replay, decide, and record runs of one's own."""

from ledger_client.client import AsyncLedger, Ledger
from ledger_client.errors import (
    ApiError,
    BadRequest,
    ConnectionFailed,
    Forbidden,
    LedgerClientError,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    ServerError,
    TimedOut,
    Unauthorized,
    VersionMismatch,
)
from ledger_client.events import (
    ApprovalEvent,
    ContentEvent,
    DoneEvent,
    ErrorEvent,
    Event,
    ExecutionEvent,
    StartedEvent,
    StatusEvent,
    ThinkingEvent,
    ToolEndEvent,
    ToolStartEvent,
    UsageEvent,
)
from ledger_client.recorder.answers import ApprovalDenied
from ledger_client.recorder.recorded import recorded
from ledger_client.recorder.recording import Recording, current_recording
from ledger_client.recorder.tool_call import ToolCall

__all__ = [
    "ApiError",
    "ApprovalDenied",
    "ApprovalEvent",
    "AsyncLedger",
    "BadRequest",
    "ConnectionFailed",
    "ContentEvent",
    "DoneEvent",
    "ErrorEvent",
    "Event",
    "ExecutionEvent",
    "Forbidden",
    "Ledger",
    "LedgerClientError",
    "NotFound",
    "PayloadTooLarge",
    "RateLimited",
    "Recording",
    "ServerError",
    "StartedEvent",
    "StatusEvent",
    "ThinkingEvent",
    "TimedOut",
    "ToolCall",
    "ToolEndEvent",
    "ToolStartEvent",
    "Unauthorized",
    "UsageEvent",
    "VersionMismatch",
    "current_recording",
    "recorded",
]
