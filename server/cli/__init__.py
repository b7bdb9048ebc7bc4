"""The console script `execution-ledger`: the server's own commands, and a client for people."""

from server.cli.root import app, main

__all__ = ["app", "main"]
