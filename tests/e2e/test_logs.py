"""What the server's log says of requests that nobody can read."""

import json
from pathlib import Path

from tests.e2e.console import ServerProcess


def test_what_is_no_http_is_logged_in_a_line_and_not_quoted(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path)
    server.start()
    secret = "key" * 5_000
    for path, headers in (
        ("/healthz", {"Authorization": f"Bearer {secret}"}),
        ("/api/v1/executions/record", {"Content-Encoding": "gzip"}),
    ):
        assert server.call("POST", path, {"agent": "Scribe"}, headers)[0] == 400

    assert server.stop() == 0
    log = server.log.read_text()
    said = [line for line in map(json.loads, log.splitlines()) if "not be read" in line["event"]]
    assert [line["level"] for line in said] == ["info", "info"]
    assert "Traceback" not in log
    assert secret[:30] not in log
