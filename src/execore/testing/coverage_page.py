"""The pages that show the order state machine, generated from the table and from real transitions.

``python -m execore.testing.coverage_page`` writes ``docs/state_machine.md`` (diagrams that GitHub draws) and
``docs/state_machine_coverage.md`` (every state and input); ``--check`` only says whether they are up to date.

Nothing is drawn that did not happen: every cell is driven with the sample orders and inputs below, and an
arrow is there because a sample order went that way. The row-by-row tests use the same samples.
"""

import argparse
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from execore.core.decisions import decide
from execore.core.order_ledger import OrderLedger
from execore.core.transition_table import RULES, OrderInput, Reaction, Rule
from execore.model import effects, events, reports, requests
from execore.model.answers import Answer, Outcome
from execore.model.orders import Order, OrderRequest
from execore.model.vocabulary import Expiry, OrderState, RestatementReason, RiskDecision, Side

COMMAND: Final = "uv run python -m execore.testing.coverage_page"
DIAGRAM_PAGE: Final = "state_machine.md"
COVERAGE_PAGE: Final = "state_machine_coverage.md"
STATES: Final = tuple(RULES[OrderInput.SUBMIT])
"""The states in the table's order."""

# --- sample orders: one life for each state, as events ---------------------------------------------------

KEY: Final = "o1"
CANCEL_ID: Final = "c1"
AMEND_ID: Final = "a1"
_ONE, _HALF, _TWO, _PRICE = Decimal(1), Decimal("0.5"), Decimal(2), Decimal(100)

_CREATED: Final = events.OrderCreated(
    KEY, OrderRequest(client_order_id=KEY, symbol="S", side=Side.BUY, quantity=_ONE, price=_PRICE)
)
_SUBMITTED: Final = events.OrderSubmitted(KEY)
_ACKNOWLEDGED: Final = events.OrderAcknowledged(KEY, "V1")
_HALF_FILL: Final = events.FillBooked(KEY, "S", Side.BUY, _HALF, _PRICE, "E1")
_OTHER_HALF: Final = events.FillBooked(KEY, "S", Side.BUY, _HALF, _PRICE, "E2")
_LATE_FILL: Final = events.FillBooked(KEY, "S", Side.BUY, _ONE, _PRICE, "E3", late=True)
_UNKNOWN: Final = events.OrderOutcomeUnknown(KEY)
_CANCELLED: Final = events.OrderCancelled(KEY)
_EXPIRED: Final = events.OrderExpired(KEY)
_FAILED: Final = events.OrderFailed(KEY)
_CLOSED: Final = events.OrderClosed(KEY)
_CANCEL_ASKED: Final = events.CancelRequested(KEY, CANCEL_ID)
_AMEND_ASKED: Final = events.AmendRequested(KEY, AMEND_ID, _TWO, _PRICE)

_DATED: Final = events.OrderCreated(KEY, _CREATED.order, ends_ts_ns=0)
_DONE_FOR_DAY: Final = events.OrderDoneForDay(KEY)

_SENT: Final = (_CREATED, _SUBMITTED)
_LIVE: Final = (*_SENT, _ACKNOWLEDGED)
_DATED_LIVE: Final = (_DATED, _SUBMITTED, _ACKNOWLEDGED)

Life = tuple[events.AnyOrderEvent, ...]
LIVES: Final[dict[OrderState, tuple[Life, ...]]] = {
    OrderState.CREATED: ((_CREATED,), (_CREATED, events.OrderHeld(KEY)), (_DATED,)),
    OrderState.SUBMITTED: (_SENT, (*_SENT, _CANCEL_ASKED), (_DATED, _SUBMITTED)),
    OrderState.UNKNOWN: (
        (*_SENT, _UNKNOWN),
        (*_SENT, _UNKNOWN, _CANCEL_ASKED),
        (_DATED, _SUBMITTED, _UNKNOWN),
    ),
    OrderState.ACKNOWLEDGED: (
        _LIVE,
        (*_SENT, events.OrderAcknowledged(KEY)),
        (*_LIVE, _CANCEL_ASKED),
        (*_LIVE, _AMEND_ASKED),
        (*_LIVE, _DONE_FOR_DAY),
        _DATED_LIVE,
        (*_DATED_LIVE, events.ExpiryOverdue(KEY)),
    ),
    OrderState.PARTIALLY_FILLED: (
        (*_LIVE, _HALF_FILL),
        (*_LIVE, _CANCEL_ASKED, _HALF_FILL),
        (*_LIVE, _AMEND_ASKED, _HALF_FILL),
        (*_LIVE, _HALF_FILL, _DONE_FOR_DAY),
        (*_DATED_LIVE, _HALF_FILL),
    ),
    OrderState.FILLED: (
        (*_LIVE, _HALF_FILL, _OTHER_HALF),
        (*_LIVE, _CANCEL_ASKED, _HALF_FILL, _OTHER_HALF),
        (*_LIVE, _AMEND_ASKED, _HALF_FILL, _OTHER_HALF),
        (*_LIVE, _CANCELLED, _LATE_FILL),
        (*_LIVE, _DONE_FOR_DAY, _HALF_FILL, _OTHER_HALF),
    ),
    OrderState.CANCELLED: (
        (*_LIVE, _CANCELLED),
        (_CREATED, events.OrderCancelled(KEY, unsent=True)),
        (*_LIVE, _HALF_FILL, _CANCELLED),
        (*_LIVE, _AMEND_ASKED, _CANCELLED),
        (*_LIVE, _CANCEL_ASKED, events.OrderAmended(KEY, Decimal(0), _PRICE)),
    ),
    OrderState.EXPIRED: (
        (*_LIVE, _EXPIRED),
        (*_SENT, _EXPIRED),
        (*_LIVE, _HALF_FILL, _EXPIRED),
        (*_LIVE, _CANCEL_ASKED, _AMEND_ASKED, _EXPIRED),
    ),
    OrderState.REJECTED: (
        (*_SENT, events.OrderRejected(KEY)),
        (*_LIVE, _CANCEL_ASKED, _AMEND_ASKED, events.OrderRejected(KEY)),
    ),
    OrderState.FAILED: ((*_SENT, _FAILED), (*_SENT, _CANCEL_ASKED, _FAILED)),
    OrderState.DENIED: ((_CREATED, events.OrderDenied(KEY)),),
    OrderState.CLOSED: (
        (*_LIVE, _CANCELLED, _CLOSED),
        (*_LIVE, _HALF_FILL, _OTHER_HALF, _CLOSED),
        (*_SENT, events.OrderRejected(KEY), _CLOSED),
        (*_SENT, _FAILED, _CLOSED),
    ),
}
"""Ways into each state. The first is the plain one; the others have a request pending, or another past."""


def ledger_after(life: Life) -> OrderLedger:
    """A ledger that has folded ``life``."""
    ledger = OrderLedger()
    for event in life:
        ledger.apply(event, 0)
    return ledger


# --- sample inputs: for each row, every content that the guards tell apart ----------------------------------


def _verdict(decision: RiskDecision) -> tuple[requests.Input, ...]:
    verdict = requests.RiskResult(decision, "sample")
    return (requests.ReleaseOrder(ts_ns=0, client_order_id=KEY, verdict=verdict),)


SAMPLES: Final[dict[OrderInput, tuple[requests.Input, ...]]] = {
    OrderInput.SUBMIT: _verdict(RiskDecision.ALLOW),
    OrderInput.HOLD: _verdict(RiskDecision.PAUSE),
    OrderInput.DENY: _verdict(RiskDecision.BLOCK),
    OrderInput.CANCEL_REQUEST: (requests.CancelOrder(ts_ns=0, client_order_id=KEY, request_id="c2"),),
    OrderInput.AMEND_REQUEST: (
        requests.AmendOrder(ts_ns=0, client_order_id=KEY, request_id="a2", quantity=_TWO),
        requests.AmendOrder(ts_ns=0, client_order_id=KEY, request_id="a2", quantity=_ONE),
        requests.AmendOrder(ts_ns=0, client_order_id=KEY, request_id="a2", quantity=_HALF),
    ),
    OrderInput.CLOSE: (requests.CloseOrder(ts_ns=0, client_order_id=KEY),),
    OrderInput.NOT_SENT: (requests.SubmitNotSent(ts_ns=0, client_order_id=KEY, reason="refused"),),
    OrderInput.OUTCOME_UNKNOWN: (
        requests.SubmitOutcomeUnknown(ts_ns=0, client_order_id=KEY, reason="timeout"),
    ),
    OrderInput.REQUEST_NOT_SENT: tuple(
        requests.RequestNotSent(ts_ns=0, client_order_id=KEY, request_id=key, reason="refused")
        for key in (CANCEL_ID, AMEND_ID)
    ),
    OrderInput.REQUEST_UNKNOWN: tuple(
        requests.RequestOutcomeUnknown(ts_ns=0, client_order_id=KEY, request_id=key, reason="timeout")
        for key in (CANCEL_ID, AMEND_ID)
    ),
    OrderInput.ACKNOWLEDGE: (
        reports.AcknowledgeReport(ts_ns=0, client_order_id=KEY, venue_order_id="V1"),
        reports.AcknowledgeReport(ts_ns=0, client_order_id=KEY, venue_order_id="V1", leaves=_ONE, owned=True),
    ),
    OrderInput.FILL: tuple(
        reports.FillReport(ts_ns=0, client_order_id=KEY, execution_id="E9", quantity=size, price=_PRICE)
        for size in (_HALF, _ONE)
    ),
    OrderInput.CANCELLED: (
        reports.CancelReport(ts_ns=0, client_order_id=KEY),
        reports.CancelReport(ts_ns=0, client_order_id=KEY, cancelled_quantity=Decimal("0.1")),
    ),
    OrderInput.REJECTED: (reports.RejectReport(ts_ns=0, client_order_id=KEY),),
    OrderInput.DUPLICATE_REJECTED: (
        reports.RejectReport(ts_ns=0, client_order_id=KEY, duplicate_client_order_id=True),
    ),
    OrderInput.EXPIRED: (reports.ExpireReport(ts_ns=0, client_order_id=KEY),),
    OrderInput.AMENDED: (
        reports.AmendReport(ts_ns=0, client_order_id=KEY, quantity=_TWO),
        reports.AmendReport(ts_ns=0, client_order_id=KEY, quantity=_HALF),
        reports.AmendReport(ts_ns=0, client_order_id=KEY, leaves=_ONE),
    ),
    OrderInput.CANCEL_REJECTED: tuple(
        reports.CancelRejectReport(ts_ns=0, client_order_id=KEY, request_id=key)
        for key in (CANCEL_ID, AMEND_ID)
    ),
    OrderInput.AMEND_REJECTED: tuple(
        reports.AmendRejectReport(ts_ns=0, client_order_id=KEY, request_id=key)
        for key in (AMEND_ID, CANCEL_ID)
    ),
    OrderInput.PENDING: tuple(
        reports.PendingReport(ts_ns=0, client_order_id=KEY, request_id=key) for key in (CANCEL_ID, AMEND_ID)
    ),
    OrderInput.DONE_FOR_DAY: (reports.DoneForDayReport(ts_ns=0, client_order_id=KEY),),
    OrderInput.SUSPENDED: (reports.SuspendReport(ts_ns=0, client_order_id=KEY),),
    OrderInput.STOPPED: (reports.StopReport(ts_ns=0, client_order_id=KEY, quantity=_HALF, price=_PRICE),),
    OrderInput.TRIGGERED: (reports.TriggerReport(ts_ns=0, client_order_id=KEY),),
    OrderInput.RESTATED: (
        reports.RestateReport(ts_ns=0, client_order_id=KEY, quantity=_TWO),
        reports.RestateReport(ts_ns=0, client_order_id=KEY, leaves=_ONE),
        reports.RestateReport(ts_ns=0, client_order_id=KEY, restatement=RestatementReason.RENEWAL),
    ),
    OrderInput.STATUS: (reports.StatusReport(ts_ns=0, client_order_id=KEY),),
    OrderInput.TRADE_CANCELLED: (
        reports.TradeCancelReport(ts_ns=0, client_order_id=KEY, execution_ref_id="E1"),
    ),
    OrderInput.TRADE_CORRECTED: (
        reports.TradeCorrectReport(
            ts_ns=0, client_order_id=KEY, execution_ref_id="E1", quantity=_HALF, price=Decimal(101)
        ),
    ),
    OrderInput.EXPIRY_DUE: tuple(
        requests.ExpiryDue(ts_ns=0, client_order_id=KEY, expiry=expiry, lateness_ns=0) for expiry in Expiry
    ),
    OrderInput.DAY_STARTED: (requests.StartDay(ts_ns=0, trade_date="2026-01-02", ends_ts_ns=1),),
}


# --- what happens ------------------------------------------------------------------------------------------


class Walk(msgspec.Struct, frozen=True):
    """One sample order, one sample input, what was answered, and the order afterwards."""

    rule: Rule
    before: Order
    answer: Answer
    after: Order


def walk(state: OrderState, order_input: OrderInput) -> Iterator[Walk]:
    """Drive one cell of the table with every sample that fits it."""
    for life in LIVES[state]:
        for cause in SAMPLES[order_input]:
            ledger = ledger_after(life)
            before = ledger.get(KEY)
            answer = decide(ledger, before, cause)
            ledger.apply_answer(answer, 0)
            yield Walk(RULES[order_input][state], before, answer, ledger.get(KEY))


def reached(state: OrderState, order_input: OrderInput, alerted: bool | None = None) -> list[OrderState]:
    """The states that sample orders of this cell went to, in the table's order; empty if none did.

    Args:
        alerted: count only those that went with an alert, or only those that went without.
    """
    to = {
        step.after.state
        for step in walk(state, order_input)
        if step.answer.outcome is Outcome.APPLIED and alerted in (None, is_alerted(step.answer))
    }
    return [word for word in STATES if word in to]


def is_alerted(answer: Answer) -> bool:
    """Whether somebody is told."""
    return any(isinstance(effect, effects.Alert) for effect in answer.effects)


# --- the pages ----------------------------------------------------------------------------------------------

_HEAD: Final = f"<!-- Generated: change the table or the generator, then run `{COMMAND}` -->\n"
_LEGEND: Final = {
    Reaction.APPLY: "applied",
    Reaction.APPLY_AND_ALERT: "applied, and a person is alerted",
    Reaction.ALREADY_DONE: "already done: success, no second event",
    Reaction.IGNORE: "knowingly ignored: late, and overtaken by better evidence",
    Reaction.PARK: "parked as an open break, and alerted",
    Reaction.REFUSE: "refused with a reason; nothing changes",
}


def coverage_page() -> str:
    """The text of ``state_machine_coverage.md``."""
    cells = len(OrderInput) * len(STATES)
    parts = [
        _HEAD,
        "# Every state, every input\n",
        f"{len(OrderInput)} inputs × {len(STATES)} states: {cells} cells, and nothing falls through. "
        "`tests/core/test_transition_table.py` walks every one of them against an expectation written by "
        "hand. *Becomes* lists the states that sample orders really went to. *By content* lists other "
        "answers of the same cell: a request already pending, terms that say nothing new, a quantity "
        "already booked.\n",
        "| | meaning |\n|---|---|\n"
        + "".join(f"| `{reaction.value}` | {text} |\n" for reaction, text in _LEGEND.items()),
        "| input | " + " | ".join(_short(state) for state in STATES) + " |\n"
        "|---|" + "---|" * len(STATES) + "\n" + "".join(map(_grid_row, OrderInput)),
        *map(_section, OrderInput),
    ]
    return "\n".join(parts)


def _short(state: OrderState) -> str:
    return state.value.replace("_", " ").lower()


def _grid_row(order_input: OrderInput) -> str:
    cells = (f"`{RULES[order_input][state].reaction.value}`" for state in STATES)
    return f"| {order_input} | " + " | ".join(cells) + " |\n"


def _section(order_input: OrderInput) -> str:
    head = f"## {order_input}\n\n| state | | becomes | by content | why |\n|---|---|---|---|---|\n"
    return head + "".join(_row(RULES[order_input][state]) for state in STATES)


def _row(rule: Rule) -> str:
    becomes = ", ".join(reached(rule.state, rule.input))
    others = {step.answer.outcome for step in walk(rule.state, rule.input)} if rule.applies else set()
    by_content = ", ".join(o.replace("_", " ") for o in Outcome if o in others - {Outcome.APPLIED})
    return f"| {rule.state} | `{rule.reaction.value}` | {becomes} | {by_content} | {rule.why} |\n"


def diagram_page() -> str:
    """The text of ``state_machine.md``."""
    return "\n".join(
        [
            _HEAD,
            "# The order state machine\n",
            "Drawn from real transitions: an arrow is there because a sample order went that way. Inputs "
            f"that leave the state as it is are not drawn; [every cell]({COVERAGE_PAGE}) has its reason.\n",
            "## As it should go\n",
            _diagram("[*] --> CREATED", alerted=False),
            "## As it goes now and then\n",
            "Reports are facts: these are applied as well, and a person is alerted.\n",
            _diagram(alerted=True),
        ]
    )


def _diagram(*first: str, alerted: bool) -> str:
    arrows: dict[tuple[OrderState, OrderState], list[str]] = {}
    for order_input in OrderInput:
        for state in STATES:
            for to in reached(state, order_input, alerted):
                arrows.setdefault((state, to), []).append(order_input.value)
    lines = [*first] + [
        f"{state} --> {to}: {', '.join(arrows[state, to])}"
        for state in STATES
        for to in STATES
        if (state, to) in arrows and state is not to
    ]
    return "```mermaid\nstateDiagram-v2\n" + "".join(f"    {line}\n" for line in lines) + "```\n"


def pages() -> dict[str, str]:
    """The generated pages by file name."""
    return {DIAGRAM_PAGE: diagram_page(), COVERAGE_PAGE: coverage_page()}


def outdated(directory: Path) -> list[str]:
    """The names of the pages in ``directory`` that are not what would be generated."""
    return [
        name
        for name, text in pages().items()
        if not (directory / name).is_file() or (directory / name).read_text(encoding="utf-8") != text
    ]


def main() -> None:
    """Write the pages into ``docs``, or check them."""
    parser = argparse.ArgumentParser(description="The state machine's pages, from its table.")
    parser.add_argument("--directory", type=Path, default=Path("docs"), help="where they lie (docs)")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if one is out of date")
    options = parser.parse_args()
    if options.check:
        stale = outdated(options.directory)
        sys.exit(f"out of date: {', '.join(stale)}. Run `{COMMAND}`" if stale else 0)
    for name, text in pages().items():
        (options.directory / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
