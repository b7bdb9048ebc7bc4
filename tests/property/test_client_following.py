"""The law of following: wherever connections end, every event comes once and in order."""

from hypothesis import given
from hypothesis import strategies as st

from ledger_client.errors import ConnectionFailed
from ledger_client.following import Following
from ledger_client.models import Execution

RUNNING = Execution({"is_terminal": False})
FRAME = 'event: {}\nid: {}\ndata: {{"sequence":{},"content":"é"}}\n\n'
ENDS = st.tuples(st.integers(0, 400), st.integers(1, 80), st.booleans())
"""After how many bytes a connection ends, the size of its pieces, and whether it is closed."""


def sent(total: int, after: int) -> bytes:
    """What a server sends of a finished run with so many events."""
    names = ((n, "done" if n == total else "content") for n in range(after + 1, total + 1))
    frames = "".join(FRAME.format(name, n, n) for n, name in names)
    return b"retry: 2000\n\n: heartbeat\n\n" + frames.encode()


@given(total=st.integers(1, 12), start=st.integers(0, 12), ends=st.lists(ENDS, max_size=12))
def test_every_event_comes_once_wherever_connections_end(
    total: int, start: int, ends: list[tuple[int, int, bool]]
) -> None:
    start = min(start, total - 1)
    following = Following("/s", "/x", {"starting_after": start or None}, last=start)
    seen: list[int] = []

    for end, size, is_closed in [*ends, (10_000, 7, True)]:
        if following.ended:
            break
        after = int(following.request().params.get("starting_after", 0))
        body = sent(total, after)[: max(end, 5)]
        for place in range(0, len(body), size):
            seen += [event.sequence for event in following.feed(body[place : place + size])]
        if not following.ended:
            pause = following.closed(RUNNING) if is_closed else following.lost(ConnectionFailed())
            assert 0 < pause <= 4

    assert following.ended
    assert seen == list(range(start + 1, total + 1))
