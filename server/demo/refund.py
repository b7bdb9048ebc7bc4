"""`refund`: works out what a customer gets back, and asks a human above a limit."""

from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from server.demo.registry import agents
from server.demo.shop import Item, Order, Shipment, the_shop
from server.run import Run

Json = dict[str, Any]

LIMIT: Final = Decimal(100)
"""US dollars that are refunded without asking."""

_WINDOW = timedelta(days=30)
_NEVER: Final = frozenset({"gift card"})


class RefundRequest(BaseModel):
    """What a customer wants back."""

    model_config = ConfigDict(extra="forbid")

    order_id: str = Field(pattern=r"^\d{5}$", description="Five digits.", examples=["10066"])
    reason: Literal["damaged", "late", "lost", "unwanted"]
    skus: list[str] | None = Field(None, min_length=1, description="Only these items.")


class NotRefundable(Exception):
    """There is nothing to give back; says why."""


@agents.agent(
    name="refund",
    version="1",
    description=f"Works out a refund from the shop's records; above ${LIMIT} a human decides.",
    labels=["demo"],
    config={"limit_usd": str(LIMIT), "window_days": _WINDOW.days},
)
async def refund(run: Run, request: RefundRequest) -> Json:
    """Look the order up, apply the rules, ask when it is much."""
    async with run.tool("find_order", {"order_id": request.order_id}) as tool:
        order = the_shop().order(request.order_id)
        tool.result(order.model_dump(mode="json"), summary=f"${order.total}, {order.email}")
    async with run.tool("refundable", request.model_dump(exclude_none=True)) as tool:
        items = refundable_items(order, request)
        amount = sum((item.amount for item in items), _shipping_back(order, request.reason))
        skus = [item.sku for item in items]
        tool.result({"amount_usd": str(amount), "skus": skus}, summary=f"${amount}")
    amount, by = await _approved(run, order, request, amount)
    await run.content(f"${amount} of order {order.id} will be refunded to {order.email}.")
    return {"refund_usd": str(amount), "order_id": order.id, "skus": skus, "approved_by": by}


async def _approved(
    run: Run, order: Order, request: RefundRequest, amount: Decimal
) -> tuple[Decimal, str | None]:
    """The amount that was approved, which a human may have edited, and by whom.

    Below the limit the amount stands, and nobody is asked.
    """
    if amount <= LIMIT:
        await run.thinking(f"${amount} is within the limit of ${LIMIT}.")
        return amount, None
    await run.thinking(f"${amount} is above the limit of ${LIMIT}: a human decides.")
    shown = {
        "action": "refund",
        "order_id": order.id,
        "customer": order.email,
        "amount_usd": str(amount),
        "reason": request.reason,
    }
    decision = await run.approval("refund-above-limit", shown)
    return Decimal(decision.payload["amount_usd"]), decision.by


def refundable_items(order: Order, request: RefundRequest) -> list[Item]:
    """The lines that are given back.

    Raises:
        NotRefundable: cancelled, not delivered, too late, or nothing but gift cards.
    """
    shop = the_shop()
    if order.cancelled_on is not None:
        message = f"order {order.id} was cancelled on {order.cancelled_on}; nothing was charged"
        raise NotRefundable(message)
    _check_delivery(order, shop.shipment(order.id), request.reason)
    items = [
        item
        for item in order.items
        if (request.skus is None or item.sku in request.skus)
        and shop.products[item.sku].category not in _NEVER
    ]
    if not items:
        message = f"order {order.id} has no such item that could be refunded"
        raise NotRefundable(message)
    return items


def _check_delivery(order: Order, shipment: Shipment | None, reason: str) -> None:
    if shipment is not None and shipment.lost_on is not None:
        return
    if reason == "lost":
        message = f"no parcel of order {order.id} was reported lost"
        raise NotRefundable(message)
    if shipment is None or shipment.delivered_on is None:
        message = f"order {order.id} has not been delivered yet"
        raise NotRefundable(message)
    if shipment.delivered_on + _WINDOW < the_shop().as_of:
        message = f"order {order.id} was delivered more than {_WINDOW.days} days ago"
        raise NotRefundable(message)


def _shipping_back(order: Order, reason: str) -> Decimal:
    """Shipping is given back when it was the shop's or the carrier's fault."""
    return Decimal(0) if reason == "unwanted" else order.shipping
