"""The same facts end in the same ledgers, however the reports of them arrive.

What may come in any order, more than once, late, or dropped and sent again:

- executions, their busts, and chains of corrections, among each other;
- an end of the order (cancel, expiry, done for day) among all of these;
- totals (a cumulative quantity on any report) among executions that come sooner or later;
- the acknowledgement, among everything.

What may not, as the last word wins: two amends that nobody asked for, with different terms; a restatement and
the end that it takes back; two partial cancels, which say nothing by which a second one could be told from a
repetition of the first.

What an average cost depends on is the sequence of trades of both sides. So the sides are equal where cost and
result are compared, and where they are not, the sum of result and unrealised result is. Flags tell what was a
surprise when it came (``fill_after_terminal``), and are not compared where the order of reports decides it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_support.desk import BITCOIN, FUTURE, Desk, assert_replays
from execore.model import reports
from execore.model.answers import Outcome
from execore.model.vocabulary import OrderState, Side, TimeInForce

ORDERS: Final = ("o1", "o2", "o3")
SIZES: Final = st.integers(1, 8).map(lambda eighths: Decimal(eighths) / 8)
PRICES: Final = st.integers(390, 410).map(lambda quarters: Decimal(quarters) / 4)
PLAIN: Final = (
    (Decimal(0), ""),
    (Decimal("0.25"), "USD"),
    (Decimal("-0.1"), "USD"),
    (Decimal(3), "EUR"),
)
FEES: Final = st.sampled_from([*PLAIN, (Decimal("0.01"), "BTC"), (Decimal("-0.02"), "BTC")])
PLAIN_FEES: Final = st.sampled_from(PLAIN)
"""A fee in the currency bought takes its share of the cost at that moment: it depends on the sequence."""
SYMBOLS: Final = st.sampled_from([BITCOIN.symbol, FUTURE.symbol])
MARK: Final = Decimal(97)


@dataclass(frozen=True)
class Trade:
    """One execution, and what the venue said of it afterwards: a chain of corrections, and a bust."""

    number: int
    order: str
    quantity: Decimal
    price: Decimal
    fee: Decimal = Decimal(0)
    fee_currency: str = ""
    corrections: tuple[tuple[Decimal, Decimal], ...] = ()
    busted: bool = False
    way: str = "both"

    def reports(self, symbol: str, side: str) -> list[reports.Report]:
        """All reports of it, in the venue's order."""
        names = {"client_order_id": self.order, "venue_order_id": f"V-{self.order}"}
        if self.way != "both":
            del names["venue_order_id" if self.way == "ours" else "client_order_id"]
        named: dict[str, Any] = {"ts_ns": 0, "symbol": symbol} | names
        last = f"E{self.number}"
        fill = reports.FillReport(
            execution_id=last,
            quantity=self.quantity,
            price=self.price,
            side=Side(side),
            fee=self.fee,
            fee_currency=self.fee_currency,
            **named,
        )
        said: list[reports.Report] = [fill]
        for index, (quantity, price) in enumerate(self.corrections):
            key = f"C{self.number}.{index}"
            said.append(
                reports.TradeCorrectReport(
                    execution_id=key, execution_ref_id=last, quantity=quantity, price=price, **named
                )
            )
            last = key
        if self.busted:
            bust = reports.TradeCancelReport(execution_id=f"B{self.number}", execution_ref_id=last, **named)
            said.append(bust)
        return said

    def as_it_really_was(self) -> "Trade":
        """The execution as its last correction has it."""
        quantity, price = self.corrections[-1] if self.corrections else (self.quantity, self.price)
        return replace(self, quantity=quantity, price=price, corrections=())


@st.composite
def trades(draw: st.DrawFn, fees: Any = PLAIN_FEES, most: int = 7, revised: bool = True) -> list[Trade]:
    """Executions of three orders; with ``revised`` some were corrected or undone."""

    def make(number: int) -> Trade:
        fee, fee_currency = draw(fees)
        corrections = draw(st.lists(st.tuples(SIZES, PRICES), max_size=3)) if revised else []
        return Trade(
            number,
            draw(st.sampled_from(ORDERS)),
            draw(SIZES),
            draw(PRICES),
            fee,
            fee_currency,
            tuple(corrections),
            busted=revised and draw(st.booleans()),
            way=draw(st.sampled_from(["ours", "venue's", "both"])),
        )

    return [make(number) for number in range(draw(st.integers(0, most)))]


def desk_of(symbol: str, sides: Sequence[str], **terms: Any) -> Desk:
    """A desk with three orders of two, which the venue has not acknowledged."""
    desk = Desk()
    for key, side in zip(ORDERS, sides, strict=True):
        desk.submit(key, side=side, quantity=2, symbol=symbol, **terms)
    return desk


def acknowledgements(symbol: str) -> list[reports.Report]:
    return [
        reports.AcknowledgeReport(ts_ns=0, client_order_id=key, venue_order_id=f"V-{key}", symbol=symbol)
        for key in ORDERS
    ]


def told(facts: Sequence[Trade], symbol: str, sides: Sequence[str]) -> list[reports.Report]:
    side_of = dict(zip(ORDERS, sides, strict=True))
    return [report for trade in facts for report in trade.reports(symbol, side_of[trade.order])]


def after(desk: Desk, said: Sequence[reports.Report]) -> Desk:
    for report in said:
        desk.take(report)
    return desk


@st.composite
def deliveries(draw: st.DrawFn, said: list[reports.Report]) -> list[reports.Report]:
    """The reports shuffled, some of them twice: so some come late, and some are lost and sent again."""
    again = draw(st.lists(st.sampled_from(said), max_size=4)) if said else []
    return list(draw(st.permutations(said + again)))


def orders_of(desk: Desk, *without: str) -> dict[str, dict[str, Any]]:
    """Every order as it is shown, less the fields named."""
    shown: dict[str, dict[str, Any]] = desk.state.orders.to_dict()
    return {key: {name: order[name] for name in order if name not in without} for key, order in shown.items()}


def balances(desk: Desk) -> dict[tuple[str, str], Decimal]:
    """Every account that is not empty."""
    accounts = desk.state.positions.accounts()
    return {(account.name, account.unit): account.balance for account in accounts if account.balance}


# --- executions, corrections and busts among each other ---------------------------------------------------


@given(st.data(), SYMBOLS)
def test_executions_corrections_and_busts_come_in_any_order_and_twice(
    data: st.DataObject, symbol: str
) -> None:
    """All on one side: then not even cost and result depend on the sequence."""
    sides = ("buy",) * 3
    said = acknowledgements(symbol) + told(data.draw(trades()), symbol, sides)
    plain = after(desk_of(symbol, sides), said)
    other = after(desk_of(symbol, sides), data.draw(deliveries(said)))
    assert orders_of(other) == orders_of(plain)
    assert balances(other) == balances(plain)
    assert_replays(other)


@given(st.data(), SYMBOLS)
def test_with_both_sides_the_total_result_is_the_same(data: st.DataObject, symbol: str) -> None:
    """Whatever the sequence gave to result and cost, quantity, fees and result at a mark are the same."""
    sides = ("buy", "sell", "buy")
    said = acknowledgements(symbol) + told(data.draw(trades()), symbol, sides)
    plain = after(desk_of(symbol, sides), said)
    other = after(desk_of(symbol, sides), data.draw(deliveries(said)))
    assert orders_of(other) == orders_of(plain)
    one, two = (desk.state.positions.position(symbol) for desk in (plain, other))
    assert (two.quantity, two.fees) == (one.quantity, one.fees)
    assert two.realised_pnl + two.unrealised_pnl(MARK) == one.realised_pnl + one.unrealised_pnl(MARK)
    if symbol == BITCOIN.symbol:  # a future moves cash by its result alone
        assert other.state.positions.cash() == plain.state.positions.cash()
    assert_replays(other)


@given(st.data(), SYMBOLS, st.sampled_from([("buy", "sell", "buy"), ("sell", "sell", "buy")]))
def test_busts_and_corrections_leave_the_books_as_if_it_had_been_so_from_the_start(
    data: st.DataObject, symbol: str, sides: tuple[str, ...]
) -> None:
    """Executions keep their sequence; what was said of them later, or too early, is as if never said.

    Shorts, flips and fees of every kind, in the currency bought too: every account, to the last digit.
    """
    facts = data.draw(trades(FEES))
    fills = [trade.reports(symbol, sides[ORDERS.index(trade.order)]) for trade in facts]
    said = [said[0] for said in fills]
    for revision in (revision for said_of_one in fills for revision in said_of_one[1:]):
        said.insert(data.draw(st.integers(0, len(said))), revision)
    really = [trade.as_it_really_was() for trade in facts if not trade.busted]
    revised = after(desk_of(symbol, sides), said + acknowledgements(symbol))
    plain = after(desk_of(symbol, sides), told(really, symbol, sides) + acknowledgements(symbol))
    assert balances(revised) == balances(plain)
    assert orders_of(revised) == orders_of(plain)
    assert not any(revised.state.positions.trial_balance().values())
    assert_replays(revised)


@given(st.data())
def test_a_bust_in_one_instrument_touches_no_other(data: st.DataObject) -> None:
    sides = ("buy", "sell", "sell")
    facts = data.draw(trades(FEES))
    desk = desk_of(FUTURE.symbol, sides)
    for key in ORDERS:
        desk.submit(f"spot-{key}", side="buy", quantity=2)
    desk.fill("spot", "1.5", "101", key="spot-o1", fee="0.01", fee_currency="BTC")
    before = desk.state.positions.position(BITCOIN.symbol)
    after(desk, told(facts, FUTURE.symbol, sides))
    assert desk.state.positions.position(BITCOIN.symbol) == before


# --- ends among executions --------------------------------------------------------------------------------

ENDS: Final = [
    (reports.CancelReport, TimeInForce.GTC, OrderState.CANCELLED),
    (reports.ExpireReport, TimeInForce.GTC, OrderState.EXPIRED),
    (reports.DoneForDayReport, TimeInForce.DAY, OrderState.EXPIRED),
]


@pytest.mark.parametrize(("end", "time_in_force", "state"), ENDS)
@given(st.data())
def test_an_end_comes_before_among_or_after_the_executions(
    end: type[reports.Report], time_in_force: TimeInForce, state: OrderState, data: st.DataObject
) -> None:
    """Filled outranks the end, and when a bust takes the fill back the end still holds."""
    sides = ("buy",) * 3
    said = acknowledgements(BITCOIN.symbol) + told(data.draw(trades()), BITCOIN.symbol, sides)
    said += [end(ts_ns=0, client_order_id=key, symbol=BITCOIN.symbol) for key in ORDERS]
    plain = after(desk_of(BITCOIN.symbol, sides, time_in_force=time_in_force), said)
    delivered = data.draw(deliveries(said))
    other = after(desk_of(BITCOIN.symbol, sides, time_in_force=time_in_force), delivered)
    assert orders_of(other, "flags") == orders_of(plain, "flags")
    assert balances(other) == balances(plain)
    for order in other.state.orders:
        assert order.state is (OrderState.FILLED if order.filled >= order.quantity else state)
        assert not order.leaves


# --- totals among executions ------------------------------------------------------------------------------


def total_of(facts: Sequence[Trade]) -> dict[str, Any]:
    """What the venue says of the whole order when these have happened."""
    now = [trade.as_it_really_was() for trade in facts if not trade.busted]
    quantity = sum((trade.quantity for trade in now), Decimal(0))
    notional = sum((trade.quantity * trade.price for trade in now), Decimal(0))
    if not quantity:
        return {"cumulative_quantity": quantity}
    average = (notional / quantity).quantize(Decimal("1E-8"))
    return {"cumulative_quantity": quantity, "average_price": average}


def history(facts: Sequence[Trade]) -> list[tuple[reports.Report, dict[str, Any]]]:
    """Every report of one order's trades in the venue's order, and the total that it has after each."""
    pairs: list[tuple[reports.Report, dict[str, Any]]] = []
    known: list[Trade] = []
    for trade in facts:
        for count, report in enumerate(trade.reports(BITCOIN.symbol, "buy")):
            corrections = trade.corrections[: min(count, len(trade.corrections))]
            so_far = replace(trade, corrections=corrections, busted=count > len(trade.corrections))
            pairs.append((report, total_of([*known, so_far])))
        known.append(trade)
    return pairs


def check_totals(data: st.DataObject, facts: list[Trade]) -> None:
    facts = [replace(trade, order="o1", way="both") for trade in facts]
    pairs = history(facts)
    executions: list[reports.Report] = list(data.draw(st.permutations([report for report, _ in pairs])))
    delivered = list(executions)
    for _, total in pairs:
        for _ in range(data.draw(st.integers(0, 2))):
            report = data.draw(st.sampled_from([reports.AcknowledgeReport, reports.TriggerReport]))
            said = report(ts_ns=0, client_order_id="o1", symbol=BITCOIN.symbol, **total)
            delivered.insert(data.draw(st.integers(0, len(delivered))), said)
    plain = after(desk_of(BITCOIN.symbol, ("buy",) * 3), executions)
    other = after(desk_of(BITCOIN.symbol, ("buy",) * 3), delivered)
    assert orders_of(other, "flags", "state", "ord_status") == orders_of(
        plain, "flags", "state", "ord_status"
    )
    assert balances(other) == balances(plain)
    assert not other.order.provisional
    assert_replays(other)


@given(st.data())
def test_totals_run_ahead_of_the_executions_or_lag_behind(data: st.DataObject) -> None:
    """What a total counts is booked until the execution comes, and then the execution alone counts."""
    check_totals(data, data.draw(trades(revised=False)))


@given(st.data())
def test_totals_come_among_corrections_and_busts(data: st.DataObject) -> None:
    """A total from before a bust counts what is gone, and one from before a correction counts wrongly."""
    check_totals(data, data.draw(trades(most=4)))


# --- terms ------------------------------------------------------------------------------------------------


@given(st.data(), trades(revised=False, most=4))
def test_terms_that_state_the_total_come_before_among_or_after_the_executions(
    data: st.DataObject, facts: list[Trade]
) -> None:
    """As a total; or as what is left together with what is filled, which amounts to the same."""
    facts = [replace(trade, order="o1", way="both", quantity=trade.quantity / 2) for trade in facts]
    executions: list[reports.Report] = told(facts, BITCOIN.symbol, ("buy",) * 3)
    so_far = total_of(facts[: data.draw(st.integers(0, len(facts)))])
    terms: dict[str, Any] = {"quantity": Decimal(5)}
    if data.draw(st.booleans()):
        terms = {"leaves": Decimal(5) - so_far["cumulative_quantity"]} | so_far
    report = data.draw(st.sampled_from([reports.AmendReport, reports.RestateReport]))
    said = report(ts_ns=0, client_order_id="o1", symbol=BITCOIN.symbol, **terms)
    plain = after(desk_of(BITCOIN.symbol, ("buy",) * 3), [*executions, said])
    other = after(desk_of(BITCOIN.symbol, ("buy",) * 3), data.draw(st.permutations([*executions, said])))
    assert other.order.quantity == Decimal(5)
    assert orders_of(other) == orders_of(plain)
    assert balances(other) == balances(plain)


@given(st.lists(st.integers(3, 9), min_size=1, max_size=4))
def test_of_terms_that_nobody_asked_for_the_last_win(totals: list[int]) -> None:
    desk = desk_of(BITCOIN.symbol, ("buy",) * 3)
    for total in totals:
        desk.tell(reports.AmendReport, quantity=total)
    assert desk.order.quantity == totals[-1]


# --- requests and their answers ---------------------------------------------------------------------------


@given(st.data())
def test_an_answer_that_comes_again_later_changes_nothing(data: st.DataObject) -> None:
    """Every answer names its request: once that is answered, the same answer is old news."""
    desk = desk_of(BITCOIN.symbol, ("buy",) * 3)
    desk.acknowledge()
    answers: list[reports.Report] = []
    named: dict[str, Any] = {"ts_ns": 0, "client_order_id": "o1", "symbol": BITCOIN.symbol}
    for number in range(data.draw(st.integers(1, 4))):
        request_id = f"r{number}"
        if data.draw(st.booleans()):
            desk.ask_cancel(request_id)
            answers.append(reports.CancelRejectReport(request_id=request_id, **named))
        else:
            terms: dict[str, Any] = {"quantity": data.draw(st.integers(3, 9)), "price": data.draw(PRICES)}
            asked = desk.ask_amend(request_id, **terms)
            if asked.outcome is not Outcome.APPLIED:  # nothing new about it, and nothing was sent
                continue
            answers.append(reports.AmendReport(request_id=request_id, **terms, **named))
        answers.insert(-1, reports.PendingReport(request_id=request_id, **named))
        after(desk, answers[-2:])
        before = desk.order
        for again in data.draw(st.lists(st.sampled_from(answers), max_size=4)):
            assert desk.take(again).outcome is not Outcome.APPLIED
        assert desk.order is before
    assert not desk.order.pending_request_ids
