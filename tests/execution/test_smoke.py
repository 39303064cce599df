"""A first look for newcomers: twelve tests in under a second, each of them a page of the manual."""

from decimal import Decimal

import execore
from execore import (
    AuditLog,
    Instrument,
    MemoryJournal,
    OrderLedger,
    OrderRequest,
    OrderState,
    OrderStateMachine,
    Outcome,
    PositionLedger,
    RetryPolicy,
)
from execore.core.retry_policy import Operation, RetryAction, RetryBudget
from execore.model.failures import ConnectionFailed, RateLimited, RequestTimeout
from execore.model.reports import AcknowledgeReport, FillReport

BITCOIN = Instrument(symbol="BTC-USD", currency="USD", base_currency="BTC", quantity_step=Decimal("0.001"))


def buy_one(client_order_id: str = "my-order-1") -> OrderRequest:
    return OrderRequest(
        client_order_id=client_order_id,
        symbol="BTC-USD",
        side="buy",  # type: ignore[arg-type]  # words and numbers may be given as text
        quantity="1",  # type: ignore[arg-type]
        price="60000",  # type: ignore[arg-type]
    )


# --- the order state machine: verbs in, states out ----------------------------------------------------


def test_an_order_goes_from_created_to_filled() -> None:
    machine = OrderStateMachine()
    states = []
    for answer in (
        machine.create_order(buy_one()),
        machine.submit_order("my-order-1"),
        machine.acknowledge_order("my-order-1", "venue-7"),
        machine.apply_fill("my-order-1", "execution-1", "0.4", "60000"),
        machine.apply_fill("my-order-1", "execution-2", "0.6", "59990"),
    ):
        assert answer.outcome is Outcome.APPLIED
        assert answer.order is not None
        states.append(answer.order.state)
    assert states == [
        OrderState.CREATED,
        OrderState.SUBMITTED,
        OrderState.ACKNOWLEDGED,
        OrderState.PARTIALLY_FILLED,
        OrderState.FILLED,
    ]


def test_what_does_not_fit_is_refused_with_a_reason_and_changes_nothing() -> None:
    machine = OrderStateMachine()
    machine.create_order(buy_one())
    machine.submit_order("my-order-1")
    machine.reject_order("my-order-1", "market closed")
    before = machine.orders.get("my-order-1")

    answer = machine.request_cancel("my-order-1", "cancel-1")

    assert answer.outcome is Outcome.REFUSED
    assert answer.refusal is not None
    assert answer.refusal.code == "cancel_request_on_rejected"
    assert "my-order-1 in REJECTED" in answer.refusal.message
    assert machine.orders.get("my-order-1") is before


# --- the order ledger: one truth about orders ---------------------------------------------------------


def test_the_ledger_finds_an_order_by_whatever_you_have() -> None:
    machine = OrderStateMachine()
    machine.create_order(buy_one())
    machine.submit_order("my-order-1")
    machine.acknowledge_order("my-order-1", "venue-7")
    machine.apply_fill("my-order-1", "execution-1", "0.4", "60000")

    ledger: OrderLedger = machine.orders
    order = ledger.get("my-order-1")
    assert ledger.by_venue_order_id("venue-7") is order
    assert ledger.by_execution_id("execution-1") is order
    assert ledger.by_symbol("BTC-USD") == ledger.open_orders() == [order]
    assert ledger.to_dict()["my-order-1"]["leaves"] == "0.6"


def test_the_same_execution_is_booked_once() -> None:
    machine = OrderStateMachine()
    machine.create_order(buy_one())
    machine.submit_order("my-order-1")
    for expected in (Outcome.APPLIED, Outcome.ALREADY_DONE):
        assert machine.apply_fill("my-order-1", "execution-1", "0.4", "60000").outcome is expected
    assert machine.orders.get("my-order-1").filled == Decimal("0.4")


# --- the position ledger: double entry, to the last digit ---------------------------------------------


def test_buying_and_selling_realises_the_difference() -> None:
    positions = PositionLedger()
    positions.define_instrument(BITCOIN)
    positions.deposit("USD", 100_000)
    positions.apply_fill("BTC-USD", "buy", "1", "60000")
    positions.apply_fill("BTC-USD", "sell", "0.4", "61000", fee="5", fee_currency="USD")

    position = positions.position("BTC-USD")
    assert position.quantity == Decimal("0.6")
    assert position.realised_pnl == 400
    assert position.average_cost == 60_000
    assert positions.cash()["USD"] == 100_000 - 60_000 + 24_400 - 5


def test_the_books_always_balance() -> None:
    positions = PositionLedger()
    positions.define_instrument(BITCOIN)
    positions.apply_fill("BTC-USD", "buy", "0.3", "60000.01", fee="0.0003", fee_currency="BTC")
    positions.apply_fill("BTC-USD", "sell", "0.7", "59999.99", fee="-0.5", fee_currency="USD")
    assert positions.trial_balance() == {"USD": 0, "BTC": 0}


# --- the audit log: the journal, read -----------------------------------------------------------------


def test_the_journal_tells_who_did_what() -> None:
    journal = MemoryJournal()
    book = execore.open_book(journal, "my-book", instruments=[BITCOIN])
    book.submit(buy_one(), actor="strategy:hello")

    trail = list(AuditLog(journal, "my-book").records(client_order_id="my-order-1"))
    assert [type(record.event).__name__ for record in trail] == ["OrderCreated", "OrderSubmitted"]
    assert {record.actor for record in trail} == {"strategy:hello"}


def test_the_journal_proves_that_nothing_is_missing() -> None:
    journal = MemoryJournal()
    book = execore.open_book(journal, "my-book", instruments=[BITCOIN])
    log = AuditLog(journal, "my-book")
    book.submit(buy_one())
    anchor = log.head()
    book.submit(buy_one("my-order-2"))

    verification = log.verify(anchor)
    assert verification.ok
    assert verification.anchored
    assert verification.records == log.head().sequence


# --- the retry policy: never sent twice ---------------------------------------------------------------


def test_what_was_certainly_not_sent_is_sent_again() -> None:
    decision = RetryPolicy().decide(
        ConnectionFailed("no route to venue"),
        Operation.SUBMIT,
        attempt=1,
        elapsed_seconds=0.1,
        budget=RetryBudget(),
        random=lambda: 0.5,
    )
    assert decision.action is RetryAction.RETRY
    assert decision.delay_seconds > 0


def test_what_may_have_been_sent_is_asked_after_first() -> None:
    decision = RetryPolicy().decide(
        RequestTimeout("no answer"),
        Operation.SUBMIT,
        attempt=1,
        elapsed_seconds=5,
        budget=RetryBudget(),
        random=lambda: 0.5,
    )
    assert decision.action is RetryAction.ASK_FIRST


def test_retries_end() -> None:
    policy = RetryPolicy(max_attempts=3)
    decision = policy.decide(
        RateLimited("slow down"),
        Operation.SUBMIT,
        attempt=3,
        elapsed_seconds=1,
        budget=RetryBudget(),
        random=lambda: 0.5,
    )
    assert decision.action is RetryAction.GIVE_UP


# --- all of it ----------------------------------------------------------------------------------------


def test_the_whole_life_of_an_order() -> None:
    journal = MemoryJournal()
    book = execore.open_book(journal, "my-book", instruments=[BITCOIN])

    submitted = book.submit(buy_one())
    book.apply(
        [
            AcknowledgeReport(
                ts_ns=1, client_order_id="my-order-1", venue_order_id="venue-7", symbol="BTC-USD"
            ),
            FillReport(
                ts_ns=2,
                client_order_id="my-order-1",
                symbol="BTC-USD",
                execution_id="execution-1",
                quantity=Decimal(1),
                price=Decimal(60_000),
            ),
        ]
    )

    assert submitted.ok
    assert book.orders.get("my-order-1").state is OrderState.FILLED
    assert book.positions.position("BTC-USD").quantity == 1

    again = execore.open_book(journal, "my-book")  # restart is replay
    assert again.orders.to_dict() == book.orders.to_dict()
    assert again.positions.to_dict() == book.positions.to_dict()
    assert AuditLog(journal, "my-book").verify().ok
