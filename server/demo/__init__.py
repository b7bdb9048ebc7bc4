"""Demo agents that do real work on a small shop's records, without a network or a language model.

`execution-ledger demo` shows them; `serve --agents server.demo:agents` serves them.
"""

from server.demo import refund, support, text_statistics
from server.demo.registry import PRICES, agents

__all__ = ["PRICES", "agents", "refund", "support", "text_statistics"]
