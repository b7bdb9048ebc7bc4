"""The set that the demo agents are in, and what their only model costs."""

from typing import Final

from ledger_client.work import AgentSet

agents = AgentSet()

PRICES: Final = {"local-rules-1": {"input": "0.05", "output": "0.20", "source": "demo"}}
"""US dollars per million tokens.

The price is made up, so that the demo has costs to account for. The tokens are not: the model is
the word counter in `text_statistics.py`, and a token is a word.
"""
