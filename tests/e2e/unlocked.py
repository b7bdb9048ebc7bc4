"""The server without the lock that keeps writers in turn: `python unlocked.py serve ...`.

The control of a test: whatever passes with this does not test the lock.
"""

from typing import Final

from psycopg.sql import SQL

from ledger import postgres_writing
from server.cli import main

_LOCKED: Final = "_BEGIN"

if __name__ == "__main__":
    statements = getattr(postgres_writing, _LOCKED).as_string().split(";")
    unlocked = [each for each in statements if "LOCK TABLE" not in each]
    assert len(unlocked) == len(statements) - 1
    setattr(postgres_writing, _LOCKED, SQL(";".join(unlocked)))
    main()
