"""How one speaks to the ledger: HTTP, server-sent events, the command line."""
