"""One test for both clients: what one returns, the other lets one await."""

import inspect
from typing import Any


async def settle(value: Any) -> Any:
    """The value, whether the client blocked for it or gave an awaitable."""
    return await value if inspect.isawaitable(value) else value


async def all_of(items: Any) -> list[Any]:
    """Everything that an iterator gives, of whichever kind it is."""
    if hasattr(items, "__aiter__"):
        return [each async for each in items]
    return list(items)
