"""Arithmetic with money: enough digits that no product or sum is ever rounded."""

from decimal import Context
from typing import Final

EXACT: Final = Context(prec=100)
