"""`order-support`: answers questions about orders, by plain rules over the shop's records."""

import re
from collections.abc import Callable
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from ledger_client.work import Run
from server.demo.registry import agents
from server.demo.shop import Order, Shipment, UnknownOrder, the_shop

Json = dict[str, Any]

_ORDER = re.compile(r"\b(\d{5})\b")
_EMAIL = re.compile(r"[\w.+-]+@[\w.-]+\.\w+")
_NAME = re.compile(r"\b[A-Z][a-z]+\b")
_PIECE = 6  # words to a piece of the answer
_HELP = (
    "I can say where an order is, what is in it and what it cost, and list a customer's orders. "
    "Please give me an order number such as 10079, or the customer's name or e-mail address."
)


class Question(BaseModel):
    """What a customer asks."""

    model_config = ConfigDict(extra="forbid")

    question: str = Field(min_length=3, max_length=500, examples=["Where is order 10079?"])
    email: str | None = Field(None, pattern=r"^[^@\s]+@[^@\s]+$", description="Who asks, if known.")


@agents.agent(
    name="order-support",
    version="1",
    description="Answers questions about orders from a shop's records, by plain rules.",
    labels=["demo"],
    output_schema={
        "type": "object",
        "required": ["answer", "kind"],
        "properties": {"answer": {"type": "string"}, "kind": {"type": "string"}},
    },
)
async def order_support(run: Run, question: Question) -> Json:
    """Find what the question is about, look it up, answer."""
    found = _ORDER.search(question.question)
    if found:
        return await _about_order(run, found[1], question.question)
    email = _EMAIL.search(question.question)
    if email or question.email:
        return await _about_customer(run, (email[0] if email else question.email or "").lower())
    names = _NAME.findall(question.question)
    customer = await _search(run, names) if names else None
    if customer is not None:
        return await _about_customer(run, customer)
    await run.thinking("No order number, no e-mail address, no name that the shop knows.")
    return await _answer(run, "help", _HELP)


async def _about_order(run: Run, order_id: str, question: str) -> Json:
    kind = next((kind for kind, words in _KINDS.items() if words.search(question)), "shipment")
    await run.thinking(f"The question is about order {order_id}, and about its {kind}.")
    try:
        order = await _find_order(run, order_id)
    except UnknownOrder as unknown:
        return await _answer(run, "unknown", f"Sorry, {unknown}. Please check the number.")
    shipment = None
    if kind == "shipment" and order.cancelled_on is None:
        shipment = await _shipment_status(run, order_id)
    return await _answer(run, kind, _SAY[kind](order, shipment), order_id=order_id)


async def _about_customer(run: Run, email: str) -> Json:
    await run.thinking(f"The question is about the orders of {email}.")
    async with run.tool("orders_of_customer", {"email": email}) as tool:
        orders = the_shop().orders_of(email)
        ids = [order.id for order in orders]
        tool.result({"orders": ids}, summary=f"{len(ids)} orders")
    if not orders:
        return await _answer(run, "customer", f"There are no orders of {email}.", orders=[])
    listed = "; ".join(f"{order.id} of {order.ordered_on}, ${order.total}" for order in orders)
    return await _answer(run, "customer", f"Orders of {email}: {listed}.", orders=ids)


async def _search(run: Run, names: list[str]) -> str | None:
    """The e-mail address of the one customer whose name the words contain."""
    async with run.tool("search_customer", {"words": names}) as tool:
        pairs = [names[at : at + 2] for at in range(len(names) - 1)]
        found = [each for pair in pairs for each in the_shop().find_customers(pair)]
        emails = sorted({each.email for each in found})
        tool.result({"emails": emails}, summary=f"{len(emails)} customers")
    return emails[0] if len(emails) == 1 else None


async def _find_order(run: Run, order_id: str) -> Order:
    async with run.tool("find_order", {"order_id": order_id}) as tool:
        order = the_shop().order(order_id)
        tool.result(order.model_dump(mode="json"), summary=f"${order.total}, {order.email}")
    return order


async def _shipment_status(run: Run, order_id: str) -> Shipment | None:
    async with run.tool("shipment_status", {"order_id": order_id}) as tool:
        shipment = the_shop().shipment(order_id)
        if shipment is None:
            tool.result(None, summary="not shipped yet")
        else:
            summary = f"{shipment.carrier} {shipment.tracking}"
            tool.result(shipment.model_dump(mode="json"), summary=summary)
    return shipment


async def _answer(run: Run, kind: str, text: str, **more: Any) -> Json:
    words = text.split(" ")
    for at in range(0, len(words), _PIECE):
        last = at + _PIECE >= len(words)
        await run.content(" ".join(words[at : at + _PIECE]) + ("" if last else " "))
    return {"answer": text, "kind": kind, **more}


def _say_shipment(order: Order, shipment: Shipment | None) -> str:
    if order.cancelled_on is not None:
        return f"Order {order.id} was cancelled on {order.cancelled_on}."
    if shipment is None:
        return f"Order {order.id} is being packed; it has not been shipped yet."
    parcel = f"{shipment.carrier} parcel {shipment.tracking}"
    if shipment.lost_on is not None:
        return f"{parcel} with order {order.id} was reported lost on {shipment.lost_on}."
    if shipment.delivered_on is None:
        return f"{parcel} with order {order.id} is on its way, due on {shipment.promised_on}."
    days = "a day" if shipment.days_late == 1 else f"{shipment.days_late} days"
    late = f", {days} late" if shipment.days_late else ""
    return f"{parcel} with order {order.id} was delivered on {shipment.delivered_on}{late}."


def _say_items(order: Order, _: Shipment | None) -> str:
    products = the_shop().products
    lines = [f"{item.quantity} x {products[item.sku].name}" for item in order.items]
    return f"Order {order.id} contains: {'; '.join(lines)}."


def _say_price(order: Order, _: Shipment | None) -> str:
    shipping = f", of which ${order.shipping} is for shipping" if order.shipping else ""
    return f"Order {order.id} came to ${order.total}{shipping}."


_KINDS: Final = {
    kind: re.compile(rf"\b(?:{words})\b", re.IGNORECASE)
    for kind, words in {
        "price": r"costs?|price|pay|paid|total|much",
        "shipment": r"where|when|status|ship\w*|deliver\w*|arriv\w*|late",
        "items": r"what|which|items?|contents?|contains?",
    }.items()
}
"""What a question may be about, and the words that say so; the first that matches counts."""

_SAY: Final[dict[str, Callable[[Order, Shipment | None], str]]] = {
    "price": _say_price,
    "items": _say_items,
    "shipment": _say_shipment,
}
