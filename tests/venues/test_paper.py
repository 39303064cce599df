"""The paper exchange: what it answers, what it trades, and that it does so the same way every time."""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from execore.model.effects import QueryOrder, SendAmend, SendCancel, SendOrder
from execore.model.errors import InvalidInput, InvalidNumber, UnknownInstrument
from execore.model.instruments import Instrument
from execore.model.orders import OrderRequest
from execore.model.reports import (
    AcknowledgeReport,
    AmendReport,
    CancelReport,
    ExpireReport,
    FillReport,
    RejectReport,
    VenueReport,
)
from execore.model.vocabulary import OrderState, Side
from execore.venues.paper import PaperVenue
from execore.venues.protocol import QueryAnswer, Venue
from execore.venues.tape import made_up_tape

DAY_NS = 86_400_000_000_000
START = 19_700 * DAY_NS + 1
XYZ = Instrument(
    symbol="XYZ",
    currency="USD",
    tick_size=Decimal("0.5"),
    maximum_quantity=Decimal(1000),
    multiplier=Decimal(2),
)
ABC = Instrument(symbol="ABC", currency="EUR")


class Desk:
    """The venue with short hands: sends, moves the tape, and says in short what came back."""

    def __init__(self, **options: Any) -> None:
        self.venue = PaperVenue("paper", [XYZ, ABC], start_ts_ns=START, **options)
        self.ts_ns = START

    def submit(self, client_order_id: str = "o1", **terms: Any) -> None:
        """Ten to buy at 100, unless told otherwise."""
        defaults: dict[str, Any] = {"symbol": "XYZ", "side": "buy", "quantity": 10, "price": "100"}
        order = OrderRequest(client_order_id=client_order_id, **(defaults | terms))
        self.venue.submit(SendOrder(order))

    def market(self, client_order_id: str = "o1", **terms: Any) -> None:
        self.submit(client_order_id, order_type="market", price=None, **terms)

    def cancel(self, client_order_id: str = "o1", request_id: str = "c1", venue_order_id: str = "") -> None:
        self.venue.cancel(SendCancel(client_order_id, venue_order_id, "XYZ", request_id))

    def amend(
        self, quantity: int, price: str | None = "100", stop: str | None = None, request_id: str = "a1"
    ) -> None:
        terms = [None if text is None else Decimal(text) for text in (price, stop)]
        self.venue.amend(SendAmend("o1", "", "XYZ", request_id, Decimal(quantity), *terms))

    def quote(
        self, bid: str, ask: str, bid_size: int = 100, ask_size: int = 100, symbol: str = "XYZ"
    ) -> None:
        self.ts_ns += 1
        self.venue.on_quote(symbol, bid, bid_size, ask, ask_size, self.ts_ns)

    def trade(self, price: str, size: int = 100) -> None:
        self.ts_ns += 1
        self.venue.on_trade("XYZ", price, size, self.ts_ns)

    def heard(self) -> list[str]:
        """The new reports in short."""
        return [short(report) for report in self.take()]

    def take(self) -> list[VenueReport]:
        """The new reports, which are then confirmed."""
        taken = self.venue.take_reports()
        self.venue.confirm_reports()
        return taken

    def state(self, client_order_id: str = "o1") -> OrderState:
        order = self.venue.book_of(client_order_id)
        assert order is not None
        return order.state


def short(report: VenueReport) -> str:
    order = report.client_order_id
    if isinstance(report, FillReport):
        return f"{order} fill {report.quantity}@{report.price}"
    if isinstance(report, AmendReport):
        return f"{order} amend {report.request_id} {report.quantity}@{report.price}"
    kind = type(report).__name__.removesuffix("Report").lower()
    request_id = getattr(report, "request_id", "")
    return " ".join(part for part in (order, kind, request_id, report.reason) if part)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_it_is_a_venue(desk: Desk) -> None:
    venue: Venue = desk.venue
    assert venue.name == "paper"
    assert venue.capabilities.supports_amend


# --- trading ------------------------------------------------------------------------------------------


def test_an_order_is_acknowledged_and_rests(desk: Desk) -> None:
    desk.submit()
    assert desk.take() == [
        AcknowledgeReport(
            ts_ns=START, actor="venue:paper", client_order_id="o1", venue_order_id="P1", symbol="XYZ"
        )
    ]
    assert desk.state() is OrderState.ACKNOWLEDGED
    assert desk.heard() == [], "reports are told once"


def test_a_marketable_order_takes_what_is_displayed_and_rests_with_the_remainder(desk: Desk) -> None:
    desk.quote("99", "99.5", ask_size=4)
    desk.submit()
    assert desk.heard() == ["o1 acknowledge", "o1 fill 4@99.5"]
    desk.submit("o2")
    assert desk.heard() == ["o2 acknowledge"], "the displayed size is gone"
    desk.quote("99", "99.5", ask_size=7)
    assert desk.heard() == ["o1 fill 6@100", "o2 fill 1@100"], "resting orders make the price"


def test_a_fill_says_everything(desk: Desk) -> None:
    desk = Desk(maker_fee_bps="-0.5", taker_fee_bps=2)
    desk.quote("99", "100", ask_size=4)
    desk.submit()
    desk.trade("100", size=3)
    _, taken, made = desk.take()
    assert taken == FillReport(
        ts_ns=START + 1,
        actor="venue:paper",
        client_order_id="o1",
        venue_order_id="P1",
        symbol="XYZ",
        execution_id="P1-1",
        quantity=Decimal(4),
        price=Decimal(100),
        side=Side.BUY,
        fee=Decimal("0.16"),  # 4 × 100 × 2 × 0.0002
        fee_currency="USD",
        cumulative_quantity=Decimal(4),
    )
    assert isinstance(made, FillReport)
    assert (made.execution_id, made.cumulative_quantity) == ("P1-2", Decimal(7))
    assert made.fee == Decimal("-0.03")  # 3 × 100 × 2 × -0.00005


@pytest.mark.parametrize(("bps", "fee"), [("0.25", "0.00"), ("0.75", "0.02"), ("1.25", "0.02")])
def test_fees_are_rounded_half_even(bps: str, fee: str) -> None:
    desk = Desk(taker_fee_bps=bps)
    desk.quote("99", "100")
    desk.submit(quantity=1)  # a notional of 200
    (fill,) = (report for report in desk.take() if isinstance(report, FillReport))
    assert fill.fee == Decimal(fee)


def test_a_resting_order_trades_with_others_trades_up_to_their_size(desk: Desk) -> None:
    desk.submit("o1", price="99.5")
    desk.submit("o2", price="100")
    desk.submit("o3", price="100")
    desk.submit("o4", side="sell", price="101")
    desk.heard()
    desk.trade("100.5")
    assert desk.heard() == []
    desk.trade("99.5", size=24)
    assert desk.heard() == ["o2 fill 10@100", "o3 fill 10@100", "o1 fill 4@99.5"], "price, then time"
    desk.trade("103", size=6)
    assert desk.heard() == ["o4 fill 6@101"]


def test_quotes_meet_resting_orders_in_price_time_priority(desk: Desk) -> None:
    desk.submit("o1", price="99.5")
    desk.submit("o2", price="100")
    desk.heard()
    desk.quote("99", "99.5", ask_size=12)
    assert desk.heard() == ["o2 fill 10@100", "o1 fill 2@99.5"]


def test_a_market_order_goes_on_with_later_quotes(desk: Desk) -> None:
    desk.market()
    desk.quote("99", "100", ask_size=4)
    desk.quote("99", "101", ask_size=0)
    desk.quote("99", "102", ask_size=100)
    assert desk.heard() == ["o1 acknowledge", "o1 fill 4@100", "o1 fill 6@102"]
    assert desk.state() is OrderState.FILLED


def test_a_sell_order_meets_the_bid(desk: Desk) -> None:
    desk.quote("101", "102", bid_size=3)
    desk.submit(side="sell", price="100")
    assert desk.heard() == ["o1 acknowledge", "o1 fill 3@101"]


def test_instruments_do_not_touch_each_other(desk: Desk) -> None:
    desk.submit()
    desk.quote("1", "2", symbol="ABC")
    assert desk.heard() == ["o1 acknowledge"]


@pytest.mark.parametrize(
    ("time_in_force", "displayed", "expected"),
    [
        ("ioc", 4, ["o1 fill 4@100", "o1 cancel immediate or cancel: nothing more displayed"]),
        ("ioc", 0, ["o1 cancel immediate or cancel: nothing more displayed"]),
        ("ioc", 10, ["o1 fill 10@100"]),
        ("fok", 9, ["o1 cancel fill or kill: not enough displayed"]),
        ("fok", 10, ["o1 fill 10@100"]),
    ],
)
def test_immediate_orders(desk: Desk, time_in_force: str, displayed: int, expected: list[str]) -> None:
    desk.quote("99", "100", ask_size=displayed)
    desk.submit(time_in_force=time_in_force)
    assert desk.heard() == ["o1 acknowledge", *expected]
    desk.quote("99", "100")
    assert desk.heard() == [], "nothing of it rests"


@pytest.mark.parametrize(
    ("side", "stop", "quiet", "loud", "price"),
    [
        ("buy", "105", ("104", "104.5"), ("104", "105"), "105"),
        ("sell", "95", ("95.5", "96"), ("95", "96"), "95"),
    ],
)
def test_a_stop_waits_for_its_price(
    desk: Desk, side: str, stop: str, quiet: tuple[str, str], loud: tuple[str, str], price: str
) -> None:
    desk.submit(side=side, order_type="stop", price=None, stop_price=stop)
    desk.quote(*quiet)
    assert desk.heard() == ["o1 acknowledge"]
    desk.quote(*loud)
    assert desk.heard() == [f"o1 fill 10@{price}"]


def test_a_stop_beyond_its_price_on_arrival_trades_at_once(desk: Desk) -> None:
    desk.quote("105", "106")
    desk.submit(order_type="stop", price=None, stop_price="105")
    assert desk.heard() == ["o1 acknowledge", "o1 fill 10@106"]


def test_a_stop_limit_rests_at_its_limit_once_triggered(desk: Desk) -> None:
    desk.submit(order_type="stop_limit", price="105", stop_price="104")
    desk.quote("99", "100", bid_size=0)
    assert desk.heard() == ["o1 acknowledge"], "the limit alone trades nothing"
    desk.quote("106", "107")
    assert desk.heard() == [], "triggered, but the market is above the limit"
    desk.quote("99", "103", ask_size=3)
    assert desk.heard() == ["o1 fill 3@105"], "below the stop again, and still it rests at its limit"


def test_a_stop_joins_the_queue_when_it_is_triggered(desk: Desk) -> None:
    desk.submit("o1", order_type="stop_limit", price="100", stop_price="101")
    desk.submit("o2")
    desk.trade("101")
    desk.heard()
    desk.trade("100", size=1)
    assert desk.heard() == ["o2 fill 1@100"]


def test_a_price_that_nobody_quotes_triggers_nothing(desk: Desk) -> None:
    desk.submit(order_type="stop", price=None, stop_price="105")
    desk.quote("99", "105", ask_size=0)
    desk.quote("99", "100")
    assert desk.heard() == ["o1 acknowledge"]


def test_others_trades_trigger_stops(desk: Desk) -> None:
    desk.quote("99", "100", ask_size=4)
    desk.submit(order_type="stop", price=None, stop_price="102")
    desk.trade("102")
    assert desk.heard() == ["o1 acknowledge", "o1 fill 4@100"]


# --- the end of orders --------------------------------------------------------------------------------


def test_day_orders_end_at_midnight_utc(desk: Desk) -> None:
    desk.submit("day", time_in_force="day")
    desk.submit("gtd", time_in_force="gtd", expire_ts_ns=START + 50)
    desk.submit("gtc")
    desk.take()
    desk.venue.advance_time(START + 49)
    assert desk.heard() == []
    desk.venue.on_quote("XYZ", 99, 100, 100, 1000, START + DAY_NS)
    reports = desk.take()
    assert [short(report) for report in reports] == ["gtd expire", "day expire", "gtc fill 10@100"]
    assert [report.ts_ns for report in reports] == [START + 50, START - 1 + DAY_NS, START + DAY_NS]
    assert desk.state("day") is OrderState.EXPIRED


def test_a_cancel_takes_the_rest_out(desk: Desk) -> None:
    desk.submit()
    desk.trade("100", size=3)
    desk.cancel()
    assert desk.heard() == ["o1 acknowledge", "o1 fill 3@100", "o1 cancel c1"]
    desk.trade("100")
    assert desk.heard() == []
    order = desk.venue.book_of("o1")
    assert order is not None
    assert order.state is OrderState.CANCELLED
    assert (order.filled, order.leaves) == (Decimal(3), Decimal(0))


def test_a_cancel_can_name_the_venues_id_alone(desk: Desk) -> None:
    desk.submit()
    desk.cancel("", venue_order_id="P1")
    assert desk.heard() == ["o1 acknowledge", "o1 cancel c1"]


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (lambda desk: None, "unknown order"),
        (lambda desk: (desk.submit(), desk.trade("100")), "too late: the order is FILLED"),
        (lambda desk: (desk.submit(), desk.cancel(request_id="c0")), "too late: the order is CANCELLED"),
        (lambda desk: desk.submit(price="100.3"), "too late: the order is REJECTED"),
    ],
)
def test_late_requests_are_rejected(desk: Desk, before: Callable[[Desk], None], reason: str) -> None:
    before(desk)
    desk.heard()
    desk.cancel()
    desk.amend(20)
    assert desk.heard() == [f"o1 cancelreject c1 {reason}", f"o1 amendreject a1 {reason}"]


# --- amends -------------------------------------------------------------------------------------------


def test_an_amend_gives_new_terms(desk: Desk) -> None:
    desk.submit()
    desk.trade("100", size=3)
    desk.amend(5, "99")
    desk.trade("99")
    assert desk.heard()[2:] == ["o1 amend a1 5@99", "o1 fill 2@99"]


def test_an_amend_can_make_an_order_marketable(desk: Desk) -> None:
    desk.quote("100", "101", ask_size=4)
    desk.submit()
    desk.amend(10, "102")
    assert desk.heard() == ["o1 acknowledge", "o1 amend a1 10@102", "o1 fill 4@101"]


@pytest.mark.parametrize(
    ("quantity", "price", "first"),
    [(8, "100", "o1"), (12, "100", "o2"), (8, "100.5", "o1"), (10, "100", "o1")],
)
def test_an_amend_keeps_its_place_unless_it_asks_for_more(
    desk: Desk, quantity: int, price: str, first: str
) -> None:
    desk.submit("o1")
    desk.submit("o2")
    desk.amend(quantity, price)
    desk.heard()
    desk.trade("100", size=1)
    assert desk.heard()[0].split()[0] == first


def test_a_price_changed_and_changed_back_loses_its_place(desk: Desk) -> None:
    desk.submit("o1")
    desk.submit("o2")
    desk.amend(10, "99", request_id="a1")
    desk.amend(10, "100", request_id="a2")
    desk.heard()
    desk.trade("100", size=1)
    assert desk.heard() == ["o2 fill 1@100"]


def test_an_amended_stop_is_looked_at_again(desk: Desk) -> None:
    desk.quote("99", "100")
    desk.submit(order_type="stop", price=None, stop_price="105")
    desk.amend(10, None, "100")
    assert desk.heard() == ["o1 acknowledge", "o1 amend a1 10@None", "o1 fill 10@100"]


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ((3, "100"), "the quantity is not above the 3 filled; cancel instead"),
        ((20, "100.3"), "price: 100.3 is off XYZ's tick size of 0.5"),
        ((2000, "100"), "quantity: 2000 is above XYZ's maximum of 1000"),
        ((20, None), "a limit order needs a price"),
        ((20, "100", "100"), "a limit order takes no stop price"),
    ],
)
def test_a_bad_amend_changes_nothing(desk: Desk, terms: tuple[Any, ...], reason: str) -> None:
    desk.submit()
    desk.trade("100", size=3)
    desk.heard()
    desk.amend(*terms)
    assert desk.heard() == [f"o1 amendreject a1 {reason}"]
    desk.trade("100")
    assert desk.heard() == ["o1 fill 7@100"]


# --- refusals and duplicates --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"symbol": "NOPE"}, "unknown symbol NOPE"),
        ({"side": "undisclosed"}, "an order is a buy or a sell"),
        ({"price": "100.3"}, "price: 100.3 is off XYZ's tick size of 0.5"),
        ({"quantity": 1001}, "quantity: 1001 is above XYZ's maximum of 1000"),
        ({"quantity": "0.5"}, "quantity: 0.5 is off XYZ's step of 1"),
        ({"time_in_force": "gtd", "expire_ts_ns": START}, "it expired before it arrived"),
    ],
)
def test_an_order_that_does_not_fit_is_rejected(desk: Desk, terms: dict[str, Any], reason: str) -> None:
    desk.submit(**terms)
    assert desk.heard() == [f"o1 reject {reason}"]
    assert desk.state() is OrderState.REJECTED
    desk.submit("o2")
    assert [report.venue_order_id for report in desk.take()] == ["P1"]


def test_the_same_order_again_is_never_a_second_one(desk: Desk) -> None:
    desk.submit()
    desk.trade("100", size=3)
    first = desk.take()
    desk.submit()
    assert desk.take() == first, "it is told what became of the first"
    assert len(desk.venue.orders()) == 1
    desk.trade("100")
    desk.submit()
    desk.trade("100")
    assert sum(order.filled for order in desk.venue.orders()) == 10


def test_another_order_under_the_same_id_is_rejected(desk: Desk) -> None:
    desk.submit()
    desk.submit(quantity=11)
    assert desk.heard() == ["o1 acknowledge", "o1 reject duplicate client order id with other content"]
    assert desk.state() is OrderState.ACKNOWLEDGED
    desk.venue.query(QueryOrder("o1", "", "XYZ"))
    assert desk.heard() == ["o1 acknowledge"], "the reject is not the first order's"


def test_a_request_sent_again_gets_its_first_answer(desk: Desk) -> None:
    desk.submit()
    for _ in range(2):
        desk.amend(20)
    for _ in range(2):
        desk.cancel()
    answers = ["o1 amend a1 20@100", "o1 cancel c1"]
    assert desk.heard() == ["o1 acknowledge", *(answer for answer in answers for _ in range(2))]


# --- queries, time, latency ---------------------------------------------------------------------------


@pytest.mark.parametrize("query", [QueryOrder("o1", "", "XYZ"), QueryOrder("", "P1", "XYZ")])
def test_a_query_tells_the_order_from_the_beginning(desk: Desk, query: QueryOrder) -> None:
    desk.submit()
    desk.amend(20, "99", request_id="a1")
    desk.trade("99", size=3)
    desk.amend(20, "98", request_id="a2")
    desk.amend(1, request_id="a3")
    desk.cancel()
    told = desk.take()
    assert desk.venue.query(query) is QueryAnswer.FOUND
    again = desk.take()
    assert again == [report for report in told if getattr(report, "request_id", "") != "a1"]


def test_a_query_for_an_unknown_order_finds_nothing(desk: Desk) -> None:
    assert desk.venue.query(QueryOrder("o1", "P9", "XYZ")) is QueryAnswer.ABSENT
    assert desk.venue.query(QueryOrder("o1", "", "XYZ")) is QueryAnswer.ABSENT
    assert desk.heard() == []


def test_a_query_for_a_refused_order_says_that_it_was_never_in_force(desk: Desk) -> None:
    desk.submit(quantity="0.5")
    (told,) = desk.heard()
    assert told.startswith("o1 reject ")
    assert desk.venue.query(QueryOrder("o1", "", "XYZ")) is QueryAnswer.REFUSED
    assert desk.heard() == [told]


def test_reports_are_told_until_they_are_confirmed(desk: Desk) -> None:
    desk.submit()
    first = desk.venue.take_reports()
    desk.submit("o2")
    both = desk.venue.take_reports()
    assert both[:1] == first
    assert [short(report) for report in both] == ["o1 acknowledge", "o2 acknowledge"]
    desk.cancel()  # told after the last were taken, so not confirmed with them
    desk.venue.confirm_reports()
    desk.venue.confirm_reports()
    assert desk.heard() == ["o1 cancel c1"]
    assert desk.venue.take_reports() == []


def test_a_mass_status_tells_what_is_open_and_what_happened_since(desk: Desk) -> None:
    for key in ("o1", "o2", "o3"):
        desk.submit(key)
    desk.venue.cancel(SendCancel("o1", "", "XYZ", "c1"))
    desk.quote("98", "102")
    desk.venue.cancel(SendCancel("o2", "", "XYZ", "c2"))
    desk.take()
    desk.venue.mass_status(desk.ts_ns)
    assert desk.heard() == ["o2 acknowledge", "o2 cancel c2", "o3 acknowledge"]
    desk.venue.mass_status(0)
    assert desk.heard()[:2] == ["o1 acknowledge", "o1 cancel c1"]


def test_messages_arrive_after_the_latency(desk: Desk) -> None:
    desk = Desk(latency_ns=1_500_000_000)
    desk.submit()
    desk.venue.advance_time(START + 1_499_999_999)
    assert desk.venue.query(QueryOrder("o1", "", "XYZ")) is QueryAnswer.NOT_FOUND, "which proves nothing"
    assert desk.venue.query(QueryOrder("o2", "", "XYZ")) is QueryAnswer.ABSENT
    assert desk.venue.capabilities.visibility_lag_seconds == 2
    desk.cancel()
    desk.venue.on_trade("XYZ", 100, 4, START + 2_000_000_000)
    desk.venue.advance_time(START + 10_000_000_000)
    reports = desk.take()
    assert [short(report) for report in reports] == ["o1 acknowledge", "o1 fill 4@100", "o1 cancel c1"]
    assert [report.ts_ns - START for report in reports] == [1_500_000_000, 2_000_000_000, 2_999_999_999]


def test_what_is_due_happens_in_order_of_time() -> None:
    desk = Desk(latency_ns=100)
    desk.submit(time_in_force="gtd", expire_ts_ns=START + 150)
    desk.venue.advance_time(START + 60)
    desk.cancel()
    desk.venue.advance_time(START + 1000)
    assert desk.heard() == [
        "o1 acknowledge",
        "o1 expire",
        "o1 cancelreject c1 too late: the order is EXPIRED",
    ]


def test_the_tape_must_not_run_backwards(desk: Desk) -> None:
    desk.quote("99", "100")
    with pytest.raises(InvalidInput, match="ts_ns"):
        desk.venue.on_quote("XYZ", 1, 1, 2, 1, START)


def test_a_tape_of_another_instrument_is_refused(desk: Desk) -> None:
    with pytest.raises(UnknownInstrument, match="'NOPE' is not traded at paper"):
        desk.venue.on_trade("NOPE", 1, 1, START)


def test_floats_are_refused(desk: Desk) -> None:
    with pytest.raises(InvalidNumber, match="price"):
        desk.venue.on_quote("XYZ", 1.5, 1, 2, 1, START)  # type: ignore[arg-type]
    with pytest.raises(InvalidNumber, match="maker_fee_bps"):
        Desk(maker_fee_bps=0.1)


# --- determinism --------------------------------------------------------------------------------------


def session(seed: int) -> tuple[list[VenueReport], Desk]:
    """Every kind of order against a made-up tape."""
    desk = Desk(latency_ns=50_000_000, maker_fee_bps=1, taker_fee_bps=2)
    kinds: list[dict[str, Any]] = [
        {"price": "100"},
        {"price": "101", "side": "sell"},
        {"price": "101", "time_in_force": "ioc"},
        {"price": "100", "time_in_force": "fok", "side": "sell"},
        {"price": None, "order_type": "market", "quantity": 30},
        {"price": None, "order_type": "stop", "stop_price": "102"},
        {"price": "97", "order_type": "stop_limit", "stop_price": "98", "side": "sell"},
        {"price": "100.3"},
    ]
    reports: list[VenueReport] = []
    tape = made_up_tape(XYZ, seed=seed, start_price=100, start_ts_ns=START, quotes=400, step_bps=50)
    for number, quote in enumerate(tape):
        desk.venue.on_quote(*quote)
        desk.submit(f"o{number}", **kinds[number % len(kinds)])
        if number % 3 == 0:
            desk.cancel(f"o{number // 2}", f"c{number}")
        reports += desk.take()
    return reports, desk


@pytest.mark.parametrize("seed", range(5))
def test_the_same_inputs_give_the_same_reports(seed: int) -> None:
    assert session(seed)[0] == session(seed)[0]


@pytest.mark.parametrize("seed", range(5))
def test_the_reports_add_up_to_the_exchanges_own_books(seed: int) -> None:
    reports, desk = session(seed)
    kinds = Counter(type(report) for report in reports)
    assert min(kinds[kind] for kind in (AcknowledgeReport, FillReport, CancelReport, RejectReport)) > 10
    fills = [report for report in reports if isinstance(report, FillReport)]
    assert len({fill.execution_id for fill in fills}) == len(fills)
    assert [report.ts_ns for report in reports] == sorted(report.ts_ns for report in reports)
    for order in desk.venue.orders():
        mine = [fill for fill in fills if fill.client_order_id == order.request.client_order_id]
        assert order.filled == sum(fill.quantity for fill in mine) <= order.quantity
        assert order.executions == tuple(mine)
        for fill in mine:
            assert (
                order.price is None
                or (fill.price - order.price) * (-1 if order.request.side == "buy" else 1) >= 0
            )
    assert not any(isinstance(report, ExpireReport) for report in reports)
