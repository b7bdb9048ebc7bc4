"""How a worker reaches its server, where no server is."""

import pytest

from ledger_client.errors import ConnectionFailed
from ledger_client.options import Options
from ledger_client.request import Request
from ledger_client.work.connection import Connection


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "https://127.0.0.1:9", "unix:///none"])
async def test_an_address_where_nobody_listens_is_a_connection_that_failed(address: str) -> None:
    connection = Connection(Options(address, "", "", 5.0, 0, None))

    with pytest.raises(ConnectionFailed, match=address):
        await connection.send(Request("POST", "/workers/claim", body=b"{}"))

    await connection.close()
