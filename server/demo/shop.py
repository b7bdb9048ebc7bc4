"""The records of a small shop: products, customers, orders, shipments. Read from `shop.json`."""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Row(BaseModel):
    """A row of the records."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Product(Row):
    """Something the shop sells."""

    sku: str
    name: str
    price: Decimal
    category: str


class Customer(Row):
    """Somebody who buys."""

    name: str
    email: str
    tier: Literal["standard", "silver", "gold"]


class Item(Row):
    """A line of an order. Prices are in US dollars."""

    sku: str
    quantity: int
    unit_price: Decimal

    @property
    def amount(self) -> Decimal:
        """What the line comes to."""
        return self.quantity * self.unit_price


class Order(Row):
    """What a customer ordered."""

    id: str
    email: str
    ordered_on: date
    items: tuple[Item, ...]
    shipping: Decimal
    cancelled_on: date | None = None

    @property
    def total(self) -> Decimal:
        """What the customer paid."""
        return sum((item.amount for item in self.items), self.shipping)


class Shipment(Row):
    """The parcel of an order."""

    order: str
    carrier: str
    tracking: str
    shipped_on: date
    promised_on: date
    delivered_on: date | None = None
    lost_on: date | None = None

    @property
    def days_late(self) -> int:
        """How many days after the promised one it came; 0 when in time or not yet there."""
        arrived = self.delivered_on
        return 0 if arrived is None else max(0, (arrived - self.promised_on).days)


class Records(Row):
    """Everything the shop knows, as of a day."""

    as_of: date
    products: tuple[Product, ...]
    customers: tuple[Customer, ...]
    orders: tuple[Order, ...]
    shipments: tuple[Shipment, ...]


class UnknownOrder(LookupError):
    """The shop has no order of that number."""

    def __init__(self, order_id: str) -> None:
        super().__init__(f"there is no order {order_id}")


class Shop:
    """Looks things up in the records."""

    def __init__(self, records: Records) -> None:
        self.as_of = records.as_of
        self.products: Mapping[str, Product] = {each.sku: each for each in records.products}
        self.customers: Mapping[str, Customer] = {each.email: each for each in records.customers}
        self._orders = {each.id: each for each in records.orders}
        self._shipments = {each.order: each for each in records.shipments}

    def order(self, order_id: str) -> Order:
        """The order of that number. Raises UnknownOrder."""
        if order_id not in self._orders:
            raise UnknownOrder(order_id)
        return self._orders[order_id]

    def shipment(self, order_id: str) -> Shipment | None:
        """The parcel of an order; None when nothing was sent yet."""
        return self._shipments.get(order_id)

    def orders_of(self, email: str) -> list[Order]:
        """The orders of a customer, the latest first."""
        found = (order for order in self._orders.values() if order.email == email.lower())
        return sorted(found, key=lambda order: (order.ordered_on, order.id), reverse=True)

    def find_customers(self, words: Iterable[str]) -> list[Customer]:
        """The customers whose name consists of these words, or contains all of them."""
        wanted = {word.lower() for word in words}
        return [
            customer
            for customer in self.customers.values()
            if wanted and wanted <= set(customer.name.lower().split())
        ]


@cache
def the_shop() -> Shop:
    """The shop whose records come with this package."""
    text = files(__package__).joinpath("shop.json").read_bytes()
    return Shop(Records.model_validate_json(text))
