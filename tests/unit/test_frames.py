from typing import Any

import pytest
from pydantic import ValidationError

from ledger import events as e
from ledger.events import EncodedFrame
from ledger.frames import FRAMES, UsageReport, steps_of
from ledger.strict_json import decode


def steps(text: bytes) -> list[Any]:
    """What a batch consists of, as it is recorded."""
    return list(steps_of(FRAMES.validate_python(decode(text))))


@pytest.mark.parametrize(
    ("text", "event", "payload"),
    [
        (b'{"type":"thinking","content":"hm"}', e.Thought, b'{"content":"hm"}'),
        (b'{"content":"hm","type":"content"}', e.ContentStreamed, b'{"content":"hm"}'),
        (
            b'{"type":"tool_start","id":"1","name":"search","input":{"x":1.10}}',
            e.ToolStarted,
            b'{"id":"1","name":"search","input":{"x":1.10}}',
        ),
        (
            b'{"type":"tool_end","id":"1","name":"search","output":[1e400],"summary":"1 hit"}',
            e.ToolEnded,
            b'{"id":"1","name":"search","summary":"1 hit","output":[1e400]}',
        ),
        (b'{"type":"tool_end","id":"1","name":"n"}', e.ToolEnded, b'{"id":"1","name":"n"}'),
        (
            b'{"type":"thinking","content":"","at":"2026-01-31T13:00:00+01:00"}',
            e.Thought,
            b'{"occurred_at":"2026-01-31T12:00:00.000000Z","content":""}',
        ),
    ],
)
def test_a_frame_is_recorded_with_what_it_says(
    text: bytes, event: type[e.Frame], payload: bytes
) -> None:
    assert steps(b"[" + text + b"]") == [EncodedFrame(event, payload)]


def test_usage_among_frames_keeps_its_place() -> None:
    batch = steps(
        b'[{"type":"thinking","content":"a"},'
        b'{"type":"usage","model":"m","prompt_tokens":3,"cost_usd":0.10},'
        b'{"type":"content","content":"b"}]'
    )

    assert [type(step) for step in batch] == [EncodedFrame, type(batch[1]), EncodedFrame]
    assert isinstance(batch[1], UsageReport)
    assert str(batch[1].cost_usd) == "0.10"


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b'{"type":"done"}',
        b'{"type":"thinking"}',
        b'{"type":"thinking","content":7}',
        b'{"type":"thinking","content":"hm","sequence":1}',
        b'{"type":"thinking","content":"hm","at":"yesterday"}',
        b'{"type":"tool_start","id":"","name":"search"}',
        b'{"type":"usage","model":"m","prompt_tokens":-1}',
        b'{"type":"usage","prompt_tokens":1}',
    ],
)
def test_one_frame_that_is_none_refuses_the_batch(text: bytes) -> None:
    with pytest.raises(ValidationError):
        steps(b'[{"type":"thinking","content":"fine"},' + text + b"]")
