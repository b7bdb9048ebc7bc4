from decimal import Decimal

import pytest

from server.demo.refund import NotRefundable, RefundRequest, refundable_items
from server.demo.shop import UnknownOrder, the_shop
from server.demo.text_statistics import count_words, pick


def test_the_shops_records_refer_to_each_other() -> None:
    shop = the_shop()

    orders = [order for email in shop.customers for order in shop.orders_of(email)]

    assert len(orders) == 88
    assert {item.sku for order in orders for item in order.items} <= set(shop.products)
    assert all(shop.order(order.id) is order for order in orders)


def test_an_order_that_nobody_made_is_unknown() -> None:
    with pytest.raises(UnknownOrder, match="no order 99999"):
        the_shop().order("99999")


def test_a_customer_is_found_by_the_whole_name_only() -> None:
    shop = the_shop()

    assert [each.email for each in shop.find_customers(["Grace", "Novak"])] == [
        "grace.novak@example.com"
    ]
    assert shop.find_customers(["Grace", "Nobody"]) == []
    assert shop.find_customers([]) == []


def amount(order_id: str, reason: str, skus: list[str] | None = None) -> Decimal:
    request = RefundRequest.model_validate({"order_id": order_id, "reason": reason, "skus": skus})
    items = refundable_items(the_shop().order(order_id), request)
    return sum((item.amount for item in items), Decimal(0))


def test_all_items_of_a_delivered_order_are_refundable() -> None:
    assert amount("10066", "damaged") == Decimal("480.00")


def test_only_the_items_that_are_named_are_refunded() -> None:
    assert amount("10066", "damaged", ["ST-901"]) == Decimal("12.00")


def test_a_gift_card_is_never_refunded() -> None:
    assert amount("10069", "unwanted") == Decimal("389.00")


@pytest.mark.parametrize(
    ("order_id", "reason", "said"),
    [
        ("10062", "unwanted", "was cancelled"),
        ("10086", "unwanted", "has not been delivered"),
        ("10088", "damaged", "has not been delivered"),
        ("10010", "unwanted", "more than 30 days ago"),
        ("10066", "lost", "no parcel of order 10066 was reported lost"),
    ],
)
def test_what_is_not_refundable_says_why(order_id: str, reason: str, said: str) -> None:
    with pytest.raises(NotRefundable, match=said):
        amount(order_id, reason)


def test_a_lost_parcel_is_refundable_however_long_ago() -> None:
    assert amount("10001", "lost") > 0


def test_common_words_do_not_count() -> None:
    assert count_words("The log and the table, the log!") == {"log": 2, "table": 1}


def test_the_most_telling_sentences_are_picked_in_their_order() -> None:
    sentences = ["Log, log, log.", "Nothing of note here.", "A log again."]

    picked = pick(sentences, count_words(" ".join(sentences)), 2)

    assert picked == ["Log, log, log.", "A log again."]
