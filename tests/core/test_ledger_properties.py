"""Reports shuffled, doubled and late: the books stay true, and come out the same."""

import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from core_support.desk import ALLOW, PAUSE, Desk, assert_replays
from core_support.naive_book import NaiveBook
from execore.journal.codec import encode_record
from execore.model import events, reports, requests
from execore.model.answers import Outcome
from execore.model.records import Record
from execore.model.vocabulary import OPEN_STATES, OrderState

SYMBOLS: Final = ("BTC-USD", "ESZ5")
PRICES: Final = st.integers(1, 400).map(lambda quarters: Decimal(quarters) / 4)
SIZES: Final = st.integers(1, 6).map(Decimal)
WAYS: Final = st.sampled_from(["ours", "venue's", "both"])
"""How a report names its order."""


class TradingDay(RuleBasedStateMachine):
    """A venue that reports in any order, twice, late, by either id, and a naive book beside ours.

    ``Desk.take`` checks every invariant of the books after each step.
    """

    orders: Bundle[str] = Bundle("orders")
    executions: Bundle[tuple[str, dict[str, Any]]] = Bundle("executions")
    asked: Bundle[tuple[str, str]] = Bundle("asked")

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.naive = NaiveBook()
        self.symbols: dict[str, str] = {}
        self.count = 0

    def next_id(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def named(self, key: str, way: str) -> dict[str, Any]:
        """The fields by which a report names order ``key``; the venue's id is known from the start."""
        names = {"client_order_id": key, "venue_order_id": f"V-{key}", "symbol": self.symbols[key]}
        if way == "ours":
            del names["venue_order_id"]
        if way == "venue's":
            del names["client_order_id"]
        return names

    @rule(
        target=orders,
        symbol=st.sampled_from(SYMBOLS),
        side=st.sampled_from(["buy", "sell"]),
        quantity=SIZES,
        verdict=st.sampled_from([ALLOW, ALLOW, PAUSE]),
    )
    def submit(self, symbol: str, side: str, quantity: Decimal, verdict: requests.RiskResult) -> str:
        key = self.next_id("o")
        self.symbols[key] = symbol
        for _ in range(2):  # the second time is already done
            self.desk.submit(key, verdict=verdict, symbol=symbol, side=side, quantity=quantity)
        self.naive.submit(key, side, quantity)
        return key

    @rule(key=orders, way=st.sampled_from(["ours", "both"]))
    def acknowledge(self, key: str, way: str) -> None:
        self.desk.take(reports.AcknowledgeReport(ts_ns=0, **self.named(key, way)))

    @rule(target=executions, key=orders, quantity=SIZES, price=PRICES, way=WAYS, tells_side=st.booleans())
    def fill(
        self, key: str, quantity: Decimal, price: Decimal, way: str, tells_side: bool
    ) -> tuple[str, dict[str, Any]]:
        side = "buy" if self.naive.orders[key].side > 0 else "sell"
        report = {
            "execution_id": self.next_id("E"),
            "quantity": quantity,
            "price": price,
            # Without our id, an order may be unknown to us: then only the venue knows its side.
            "side": side if tells_side or way == "venue's" else None,
            "fee": Decimal("0.25"),
            "fee_currency": "EUR",
        }
        self.book(key, report, way)
        return key, report

    @rule(execution=executions, way=WAYS)
    def repeat(self, execution: tuple[str, dict[str, Any]], way: str) -> None:
        key, report = execution
        before = len(self.desk.state.orders)
        answer = self.desk.take(reports.FillReport(ts_ns=0, **self.named(key, way), **report))
        assert not any(isinstance(event, events.FillBooked) for event in answer.events)
        reowned = any(isinstance(event, events.OrderReowned) for event in answer.events)
        assert (answer.outcome is Outcome.APPLIED) is reowned
        assert len(self.desk.state.orders) <= before

    def book(self, key: str, report: dict[str, Any], way: str) -> None:
        self.desk.take(reports.FillReport(ts_ns=0, **self.named(key, way), **report))
        self.naive.fill(key, self.symbols[key], report["execution_id"], report["quantity"], report["price"])

    @rule(key=orders, way=WAYS, report=st.sampled_from([reports.CancelReport, reports.ExpireReport]))
    def end(self, key: str, way: str, report: type[reports.Report]) -> None:
        answer = self.desk.take(report(ts_ns=0, **self.named(key, way)))
        # Named by the venue's id alone it may match nothing; and a reject is not overruled by it.
        if answer.outcome is Outcome.PARKED:
            return
        if self.desk.state.orders.get(key).state in (OrderState.CANCELLED, OrderState.EXPIRED):
            self.naive.end(key)

    @rule(key=orders)
    def reject(self, key: str) -> None:
        self.desk.take(reports.RejectReport(ts_ns=0, **self.named(key, "ours")))

    @rule(target=asked, key=orders)
    def ask_cancel(self, key: str) -> tuple[str, str]:
        request_id = self.next_id("c")
        self.desk.take(requests.CancelOrder(ts_ns=0, client_order_id=key, request_id=request_id))
        return key, request_id

    @rule(target=asked, key=orders, price=PRICES)
    def ask_amend(self, key: str, price: Decimal) -> tuple[str, str]:
        request_id = self.next_id("a")
        self.desk.take(requests.AmendOrder(ts_ns=0, client_order_id=key, request_id=request_id, price=price))
        return key, request_id

    @rule(request=consumes(asked), confirmed=st.booleans(), way=WAYS)
    def answer_amend(self, request: tuple[str, str], confirmed: bool, way: str) -> None:
        report = reports.AmendReport if confirmed else reports.AmendRejectReport
        self.desk.take(report(ts_ns=0, **self.named(request[0], way), request_id=request[1]))

    @rule(request=asked)
    def lose_the_answer(self, request: tuple[str, str]) -> None:
        self.desk.take(
            requests.RequestOutcomeUnknown(
                ts_ns=0, client_order_id=request[0], request_id=request[1], reason="timeout"
            )
        )

    @rule(key=orders, finding=st.sampled_from([requests.SubmitNotSent, requests.SubmitOutcomeUnknown]))
    def lose_the_submit(self, key: str, finding: Any) -> None:
        self.desk.take(finding(ts_ns=0, client_order_id=key, reason="timeout"))

    @rule(key=orders)
    def close(self, key: str) -> None:
        self.desk.take(requests.CloseOrder(ts_ns=0, client_order_id=key))

    @invariant()
    def agrees_with_the_naive_book(self) -> None:
        ledger, positions = self.desk.state.orders, self.desk.state.positions
        filled = {order.client_order_id: Fraction(order.filled) for order in ledger}
        ours = sum(filled.values(), Fraction(0))
        assert ours == sum((order.filled for order in self.naive.orders.values()), Fraction(0))
        for key, naive in self.naive.orders.items():
            order = ledger.get(key)
            named_so_far = ledger.by_venue_order_id(f"V-{key}", self.symbols[key])
            if named_so_far is None or named_so_far is order:
                assert filled[key] == naive.filled
            else:  # executions came by the venue's id alone, and wait for their owner
                assert filled[key] + Fraction(named_so_far.filled) == naive.filled
            assert order.leaves >= 0
            if naive.over:
                assert Fraction(order.leaves) <= self.naive.leaves_at_most(key)
        for symbol in SYMBOLS:
            assert positions.position(symbol).quantity == self.naive.positions.get(symbol, 0)
        fees = positions.cash().get("EUR", Decimal(0))
        assert fees == -Decimal("0.25") * len(self.naive.executions), "every execution was paid for once"

    @invariant()
    def open_orders_are_those_that_can_still_trade(self) -> None:
        ledger = self.desk.state.orders
        can_trade = {order.client_order_id for order in ledger if order.state in OPEN_STATES}
        assert {order.client_order_id for order in ledger.open_orders()} == can_trade
        assert ledger.open_count == len(can_trade)
        by_symbol = [order.client_order_id for symbol in SYMBOLS for order in ledger.by_symbol(symbol)]
        assert sorted(by_symbol) == sorted(order.client_order_id for order in ledger)

    def teardown(self) -> None:
        assert_replays(self.desk)
        assert_canonical(self.desk)


def assert_canonical(desk: Desk) -> None:
    """No number in the journal's text has an exponent, a trailing zero or a minus zero."""
    for sequence, event in enumerate(desk.events, start=1):
        text = encode_record(Record(sequence, "desk", 0, 0, "test", "", event)).decode()
        for number in re.findall(r'"(-?\d[\d.]*(?:[eE][-+]?\d+)?)"', text):
            assert not re.fullmatch(r".*[eE].*|.*\.\d*0|-0(\.0*)?", number), text


TestTradingDay = TradingDay.TestCase
TestTradingDay.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


# --- the same reports, in another order, more than once ---------------------------------------------------

ORDERS: Final = ("o1", "o2", "o3")


def fill_sets(sides: Sequence[str]) -> st.SearchStrategy[list[reports.FillReport]]:
    """Executions of three orders in one instrument, each named by our id, the venue's, or both."""

    def make(drawn: list[tuple[str, str, Decimal, Decimal]]) -> list[reports.FillReport]:
        side_of = dict(zip(ORDERS, sides, strict=True))
        return [
            reports.FillReport(
                ts_ns=0,
                client_order_id="" if way == "venue's" else key,
                venue_order_id="" if way == "ours" else f"V-{key}",
                symbol="BTC-USD",
                side=side_of[key],  # type: ignore[arg-type]  # a word will do
                execution_id=f"E{number}",
                quantity=quantity,
                price=price,
                fee=Decimal("0.01"),
                fee_currency="USD",
            )
            for number, (key, way, quantity, price) in enumerate(drawn)
        ]

    row = st.tuples(st.sampled_from(ORDERS), WAYS, st.integers(1, 9).map(lambda n: Decimal(n) / 8), PRICES)
    return st.lists(row, max_size=10).map(make)


def desk_after(fills: Sequence[reports.FillReport], acknowledged_after: int, sides: Sequence[str]) -> Desk:
    """Submit the orders, take the fills, and let the acknowledgements come after some of them."""
    desk = Desk()
    for key, side in zip(ORDERS, sides, strict=True):
        desk.submit(key, side=side, quantity=2)
    for number, fill in enumerate([*fills, None]):
        if number == min(acknowledged_after, len(fills)):
            for key in ORDERS:
                desk.acknowledge(key, f"V-{key}")
        if fill is not None:
            desk.take(fill)
    return desk


@given(st.data())
def test_shuffling_and_doubling_the_same_fills_ends_in_the_same_books(data: st.DataObject) -> None:
    sides = ("buy",) * 3
    fills = data.draw(fill_sets(sides))
    again = data.draw(st.lists(st.sampled_from(fills))) if fills else []
    shuffled = data.draw(st.permutations(fills + again))
    plain = desk_after(fills, 0, sides)
    other = desk_after(shuffled, data.draw(st.integers(0, 12)), sides)
    assert other.state.orders.to_dict() == plain.state.orders.to_dict()
    assert other.state.positions.to_dict() == plain.state.positions.to_dict()
    assert other.state.parked == plain.state.parked == 0
    assert_replays(other)


@given(st.data())
def test_with_both_sides_only_the_cost_depends_on_the_order(data: st.DataObject) -> None:
    """An average cost follows the sequence of trades; what is held, owed and paid does not."""
    sides = ("buy", "sell", "buy")
    fills = data.draw(fill_sets(sides))
    plain = desk_after(fills, 0, sides)
    other = desk_after(data.draw(st.permutations(fills)), data.draw(st.integers(0, 12)), sides)
    assert other.state.orders.to_dict() == plain.state.orders.to_dict()
    one, two = (desk.state.positions.position("BTC-USD") for desk in (plain, other))
    assert (one.quantity, one.fees) == (two.quantity, two.fees)
    assert one.cost_basis - one.realised_pnl == two.cost_basis - two.realised_pnl
    assert other.state.positions.cash() == plain.state.positions.cash()
