"""Requests: an order request that exists is well-formed, and an error names what was wrong."""

from typing import Any

import pytest

from execore.model.errors import InvalidInput, InvalidPrice, UnknownEnumValue
from execore.model.ids import check_id, external_order_id, time_ordered_id
from execore.model.instruments import Instrument
from execore.model.orders import OrderRequest
from execore.model.vocabulary import InstrumentKind, OrderType, Side, TimeInForce


def request(**terms: Any) -> OrderRequest:
    return OrderRequest(**({"symbol": "S", "side": "buy", "quantity": "1", "price": "100"} | terms))


def test_words_and_numbers_may_be_given_as_text() -> None:
    made = request(order_type="limit", time_in_force="ioc")
    assert (made.side, made.order_type, made.time_in_force) == (Side.BUY, OrderType.LIMIT, TimeInForce.IOC)
    assert made == request(side=Side.BUY, time_in_force=TimeInForce.IOC)


@pytest.mark.parametrize("field", ["side", "order_type", "time_in_force"])
def test_a_word_that_is_not_known_names_those_that_are(field: str) -> None:
    with pytest.raises(UnknownEnumValue) as caught:
        request(**{field: "BUY!"})
    assert caught.value.field == field
    assert "Use one of: " in str(caught.value)


@pytest.mark.parametrize(
    ("order_type", "price", "stop_price"),
    [("market", None, None), ("limit", 1, None), ("stop", None, 1), ("stop_limit", 1, 1)],
)
def test_each_order_type_takes_the_prices_it_needs_and_no_others(
    order_type: str, price: int | None, stop_price: int | None
) -> None:
    assert request(order_type=order_type, price=price, stop_price=stop_price).order_type == order_type
    for field, value in (("price", price), ("stop_price", stop_price)):
        terms: dict[str, Any] = {"order_type": order_type, "price": price, "stop_price": stop_price}
        with pytest.raises(InvalidPrice) as caught:
            request(**(terms | {field: 1 if value is None else None}))
        assert caught.value.field == field


@pytest.mark.parametrize(
    "terms",
    [
        {"time_in_force": "gtd"},
        {"time_in_force": "gtc", "expire_ts_ns": 1},
        {"time_in_force": "gtd", "expire_ts_ns": 1.5},
        {"time_in_force": "gtd", "expire_ts_ns": True},
    ],
)
def test_an_expiry_time_is_for_gtd_orders_and_an_integer(terms: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        request(**terms)
    assert caught.value.field == "expire_ts_ns"


def test_metadata_is_the_same_however_it_is_given() -> None:
    made = request(metadata={"b": "2", "a": "1"})
    assert made.metadata == (("a", "1"), ("b", "2"))
    assert made == request(metadata=[("a", "1"), ("b", "2")])
    assert request(metadata={}) == request()


@pytest.mark.parametrize("metadata", [{"a": 1}, {1: "a"}, "ab", [("a", "b", "c")], 5])
def test_metadata_is_a_map_of_strings(metadata: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        request(metadata=metadata)
    assert caught.value.field == "metadata"


@pytest.mark.parametrize("field", ["symbol", "strategy"])
def test_names_are_strings(field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        request(**{field: 5})
    assert caught.value.field == field


@pytest.mark.parametrize("value", ["with space", "new\nline", "ümlaut", "x" * 129, "\x00"])
def test_an_id_is_printable_ascii_of_reasonable_length(value: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        request(client_order_id=value)
    assert caught.value.field == "client_order_id"


@pytest.mark.parametrize("value", ["", 5, None, b"id"])
def test_nothing_but_text_is_an_id(value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_id(value, "request_id")
    assert caught.value.field == "request_id"


def test_an_id_is_never_changed() -> None:
    for value in ("a", "x" * 128, "O-1/2:3|4~"):
        assert request(client_order_id=value).client_order_id == value


def test_ids_that_we_make_are_uuids_of_version_7_in_the_order_of_time() -> None:
    made = [
        time_ordered_id(ms * 1_000_000, (1 << 74) - 1 - ms)
        for ms in range(1_700_000_000_000, 1_700_000_000_100)
    ]
    assert made == sorted(made)
    for value in made:
        assert (len(value), value[12], value[16] in "89ab") == (32, "7", True)
    assert time_ordered_id(0, 0) == "00000000000070008000000000000000"
    assert time_ordered_id(0, (1 << 74) - 1) == "0000000000007fffbfffffffffffffff"


def test_external_ids_differ_by_book_symbol_and_venue_id() -> None:
    made = {
        external_order_id(*scope)
        for scope in [("b", "s", "1"), ("b", "s1", ""), ("bs", "", "1"), ("b", "s", "2")]
    }
    assert len(made) == 4
    assert external_order_id("b", "s", "1") == external_order_id("b", "s", "1")


@pytest.mark.parametrize(
    ("field", "value"),
    [("symbol", ""), ("currency", ""), ("kind", "casino"), ("tick_size", 0), ("multiplier", -1)],
)
def test_an_instrument_that_cannot_be_traded_is_not_made(field: str, value: object) -> None:
    terms: dict[str, Any] = {"symbol": "S", "currency": "USD"}
    with pytest.raises(InvalidInput) as caught:
        Instrument(**(terms | {field: value}))
    assert caught.value.field == field


def test_an_instrument_is_counted_in_what_is_bought() -> None:
    assert Instrument(symbol="BTC-USD", currency="USD", base_currency="BTC").unit == "BTC"
    assert Instrument(symbol="ESZ5", currency="USD", kind=InstrumentKind.LINEAR).unit == "ESZ5"
