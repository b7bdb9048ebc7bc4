"""A workspace's own prices for a model: each stated once, for a time, and never changed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from typing import Any, ClassVar, Final, NamedTuple, Self

from eventsourcing.domain import BaseAggregate

from ledger.clock import format_time
from ledger.errors import LimitExceeded, NotFound, Refused
from ledger.event import Event, FirstEvent, Stamp, envelope_of
from ledger.pricing import OwnPrice
from ledger.strict_json import encode
from ledger.usage import Price

MOST_PRICES: Final = 1_000
SOURCE: Final = "workspace"
AMOUNTS: Final = ("input", "output", "cached_input", "cache_creation")


class InvalidPrice(Refused):
    """A price would end before it began, or has ended already."""

    code = "invalid_price"


class ModelPriced(FirstEvent):
    """A workspace began to state prices of its own for a model."""

    TOPIC: ClassVar[str] = "price.begun.v1"

    model: str


class PriceSet(Event):
    """What a model costs in the workspace, in US dollars per million tokens, and when.

    Of several prices for one moment the one that was stated last holds.
    """

    TOPIC: ClassVar[str] = "price.set.v1"

    price_id: str
    model: str
    input: Decimal
    output: Decimal
    cached_input: Decimal | None = None
    cache_creation: Decimal | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    note: str | None = None


class PriceEnded(Event):
    """A price holds no more from some time on."""

    TOPIC: ClassVar[str] = "price.ended.v1"

    price_id: str
    valid_until: datetime


class Stated(NamedTuple):
    """A price and the time for which it is stated; None is without bound."""

    id: str
    price: Price
    valid_from: datetime | None
    valid_until: datetime | None

    def holds_at(self, at: datetime) -> bool:
        """Whether it is the price of this time."""
        began = self.valid_from is None or self.valid_from <= at
        return began and (self.valid_until is None or at < self.valid_until)


def price_at(stated: Sequence[Stated], at: datetime) -> OwnPrice | None:
    """Of prices in the order in which they were stated, the one that holds at a time."""
    holding = (each for each in reversed(stated) if each.holds_at(at))
    return next((OwnPrice(each.id, each.price) for each in holding), None)


def stated_price(
    price_id: str, amounts: Mapping[str, Any], valid_from: datetime | None, until: datetime | None
) -> Stated:
    """A price by what was said of it: its amounts in dollars, and the time for which it holds."""
    effective = None if valid_from is None else format_time(valid_from)
    price = Price(**{name: amounts[name] for name in AMOUNTS}, source=SOURCE, effective=effective)
    return Stated(price_id, price, valid_from, until)


class ModelPrices(BaseAggregate[str]):
    """The prices of one model in one workspace, in the order in which they were stated."""

    TOPIC = "price"

    def __init__(self) -> None:
        self.workspace = ""
        self.model = ""
        self.stated: tuple[Stated, ...] = ()

    @staticmethod
    @lru_cache(maxsize=4_096)
    def id_of(workspace: str, model: str) -> str:
        """The same for everybody who asks for the prices of a model in a workspace."""
        return f"price:{sha256(encode((workspace, model))).hexdigest()[:40]}"

    @classmethod
    def begin(cls, stamp: Stamp, model: str) -> Self:
        """Make room for the prices of a model that has none."""
        return cls._create(
            ModelPriced,
            id=cls.id_of(stamp.workspace, model),
            timestamp=stamp.at,
            envelope=envelope_of(stamp),
            model=model,
        )

    def at(self, at: datetime) -> OwnPrice | None:
        """The price of a time."""
        return price_at(self.stated, at)

    def set(self, stamp: Stamp, price_id: str, price: Price, **facts: Any) -> None:
        """State a price.

        Without `valid_from` the first price of a model holds for whatever was before it too, and
        a later one from now on.

        Raises:
            InvalidPrice: it would end before it began.
            LimitExceeded: the model has 1,000 prices.
        """
        if len(self.stated) >= MOST_PRICES:
            message = f"a model has at most {MOST_PRICES} prices in a workspace"
            raise LimitExceeded(message, model=self.model)
        if facts.get("valid_from") is None and self.stated:
            facts["valid_from"] = stamp.at
        began, ended = facts.get("valid_from"), facts.get("valid_until")
        if began is not None and ended is not None and ended <= began:
            message = "valid_until: not after valid_from"
            raise InvalidPrice(message, valid_from=format_time(began))
        amounts = price.model_dump(include=set(AMOUNTS))
        self._record(stamp, PriceSet, price_id=price_id, model=self.model, **amounts, **facts)

    def end(self, stamp: Stamp, price_id: str, valid_until: datetime | None) -> None:
        """Have a price hold no more, from now on unless another time is given.

        Raises:
            NotFound: the model has no price of that id.
            InvalidPrice: it would end before it began, or has ended earlier already.
        """
        ended = valid_until or stamp.at
        price = next((each for each in self.stated if each.id == price_id), None)
        if price is None:
            raise NotFound("price", price_id)
        if price.valid_from is not None and ended < price.valid_from:
            message = f"valid_until: the price begins only at {format_time(price.valid_from)}"
            raise InvalidPrice(message, id=price_id)
        if price.valid_until is not None and price.valid_until <= ended:
            message = f"price {price_id!r} ends at {format_time(price.valid_until)} already"
            raise InvalidPrice(message, id=price_id)
        self._record(stamp, PriceEnded, price_id=price_id, valid_until=ended)

    def _record(self, stamp: Stamp, event: type[Event], **facts: Any) -> None:
        self.trigger_event(event, timestamp=stamp.at, envelope=envelope_of(stamp), **facts)

    def evolve(self, event: Event) -> None:
        """Follow a recorded fact."""
        match event:
            case ModelPriced():
                self.workspace = event.envelope.stamp.workspace
                self.model = event.model
            case PriceSet():
                bounds = event.valid_from, event.valid_until
                self.stated += (stated_price(event.price_id, vars(event), *bounds),)
            case PriceEnded():
                self.stated = tuple(
                    each._replace(valid_until=event.valid_until)
                    if each.id == event.price_id
                    else each
                    for each in self.stated
                )
            case _:
                pass
