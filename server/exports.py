"""Answers of any length as CSV: written to a file first, so that no reader holds the views open.

A slow reader holds a file and no transaction, and what fails fails before the first byte is sent.
"""

import asyncio
import csv
import io
from collections.abc import Callable, Iterable, Sequence
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, Final, cast

from aiohttp import web
from sqlalchemy import Connection

from server.outflow import STUCK_SECONDS
from server.route import Answer, Call
from server.services import BEHIND

CSV: Final = "text/csv"

Rows = Iterable[Sequence[dict[str, Any]]]

_BEGINS_A_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_IN_MEMORY: Final = 1024 * 1024
_AT_ONCE: Final = 64 * 1024


async def send_csv(
    call: Call, name: str, columns: Sequence[str], rows: Callable[[Connection], Rows]
) -> Answer:
    """Send rows as RFC 4180 has them, in constant memory.

    Args:
        call: who asked.
        name: of the file that a browser makes of it.
        columns: what each row has, in order; unknown is an empty cell.
        rows: reads them from the views, some at a time.
    """
    with SpooledTemporaryFile(max_size=_IN_MEMORY) as spooled:
        file = cast("BinaryIO", spooled)
        await call.services.query(lambda connection: _write(file, columns, rows(connection)))
        return await _send(call, name, file)


def _write(file: BinaryIO, columns: Sequence[str], rows: Rows) -> None:
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    writer.writerow(columns)
    for some in rows:
        writer.writerows([_cell(row[name]) for name in columns] for row in some)
    text.detach()


def _cell(value: Any) -> Any:
    """A value as a spreadsheet shows it and does not run it."""
    if isinstance(value, str) and value.startswith(_BEGINS_A_FORMULA):
        return f"'{value}"
    return value


async def _send(call: Call, name: str, file: BinaryIO) -> Answer:
    response = web.StreamResponse()
    response.content_type, response.charset = CSV, "utf-8"
    response.content_length = file.tell()
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    if BEHIND.get():
        response.headers["X-Ledger-Behind"] = str(BEHIND.get())
    file.seek(0)
    try:
        await response.prepare(call.request)
        while chunk := await call.services.read(lambda: file.read(_AT_ONCE)):
            async with asyncio.timeout(STUCK_SECONDS):
                await response.write(chunk)
        await response.write_eof()
    except (ConnectionResetError, TimeoutError):
        if call.request.transport is not None:
            call.request.transport.abort()
    return response
