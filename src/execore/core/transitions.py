"""One order, one input: what is decided. Pure; the engine, the state machine and replay all come here.

``transition`` looks the pair up in the table, lets the input's proposal look at the content, and answers with
events and effects. What it cannot know, as it sees one order alone, is in ``decisions``.
"""

from typing import Final

from msgspec.structs import replace

from execore.core.expiry import CLOCK_INPUTS
from execore.core.order_facts import evolve
from execore.core.proposals import Instead, Proposal, status_alerts
from execore.core.report_proposals import DUPLICATE_REJECTED, REJECTED, REPORT_INPUTS
from execore.core.request_proposals import REQUEST_INPUTS, RISK_INPUTS, Proposer
from execore.core.transition_table import RULES, OrderInput, Reaction, Rule, allowed_requests
from execore.core.unknown_outcomes import UNKNOWN_INPUTS
from execore.model import effects, events, reports, requests
from execore.model.answers import Answer, Outcome, Refusal
from execore.model.ids import derived_id
from execore.model.orders import Order
from execore.model.vocabulary import OrderState

_OUTCOMES: Final = {
    Reaction.ALREADY_DONE: Outcome.ALREADY_DONE,
    Reaction.IGNORE: Outcome.IGNORED,
    Reaction.PARK: Outcome.PARKED,
    Reaction.REFUSE: Outcome.REFUSED,
}
_EVIDENCE: Final = (reports.Report, requests.ResolveOrder)
_APPLIED: Final = Outcome.APPLIED  # reading a member off its enum class costs 0.1 µs, every time


def transition(order: Order, cause: requests.Input) -> Answer:
    """Decide what ``cause`` does to ``order``.

    Returns an answer whose ``order`` is ``order``: folding the events into it is the ledger's work.
    Other orders, their requests and executions are not known here: ``decisions.decide`` knows them.

    Raises:
        KeyError: ``cause`` is not an input of an existing order.
    """
    order_input, propose = _INPUTS.get(type(cause)) or _input_of(cause)
    rule = RULES[order_input][order.state]
    if rule.applies:
        proposal = propose(order, cause)
        if isinstance(proposal, Instead):
            return unapplied(order, cause, order_input, proposal)
        return _apply(order, cause, rule, proposal)
    answer = unapplied(order, cause, order_input, Instead(rule.reaction, rule.code, rule.why))
    if isinstance(cause, reports.StatusReport):
        return replace(answer, effects=status_alerts(order, cause))
    return answer


def unapplied(order: Order, cause: requests.Input, order_input: OrderInput, verdict: Instead) -> Answer:
    """The answer when ``cause`` is not applied; a parked report is still recorded and alerted."""
    asked = order_input.replace("_", " ")
    refusal = Refusal(
        verdict.code,
        f"{asked} on order {order.client_order_id} in {order.state}: {verdict.message}",
        order_input,
        order.state,
        order.client_order_id,
        _allowed(order) if verdict.reaction is Reaction.REFUSE else (),
    )
    outcome = _OUTCOMES[verdict.reaction]
    if verdict.reaction is not Reaction.PARK:
        return Answer(outcome, order, refusal=refusal)
    alert = effects.Alert(refusal.code, refusal.message, order.client_order_id)
    if not isinstance(cause, reports.VenueReport):
        return Answer(outcome, order, effects=(alert,), refusal=refusal)
    parked = events.ReportParked(order.client_order_id, refusal.code, refusal.message, cause)
    return Answer(outcome, order, (parked,), (alert,), refusal)


def _allowed(order: Order) -> tuple[str, ...]:
    """The requests that would be accepted now, as far as that does not hang on their content."""
    barred: set[str] = set()
    if order.pending_cancels:
        barred.add(OrderInput.AMEND_REQUEST)
    if any(key not in order.unknown_requests for key in order.pending_request_ids):
        barred.add(OrderInput.CLOSE)
    if order.state is not OrderState.UNKNOWN and not order.unknown_requests:
        barred.add(OrderInput.RESOLVE)
    return tuple(name for name in allowed_requests(order.state) if name not in barred)


def _apply(order: Order, cause: requests.Input, rule: Rule, proposal: Proposal) -> Answer:
    todo, facts = proposal.todo, proposal.facts
    if rule.alerts and not proposal.expected and not any(isinstance(one, effects.Alert) for one in todo):
        message = f"{rule.input} on order {order.client_order_id} in {order.state}: {rule.why}"
        todo = (*todo, effects.Alert(rule.code, message, order.client_order_id))
    if order.refused_cancel and isinstance(cause, _EVIDENCE):
        asked = _asked_again(order, proposal, cause.ts_ns)
        facts, todo = (*facts, *asked.facts), (*todo, *asked.todo)
    return Answer(_APPLIED, order, facts, todo)


def _asked_again(order: Order, proposal: Proposal, ts_ns: int) -> Proposal:
    """The cancel that was refused before the venue knew the order, if it is known now to be open there.

    Its request id follows from the first one's, as nothing here is random.
    """
    after = order
    for event in proposal.facts:
        after = evolve(after, event, ts_ns)
    if not (after.acknowledged and after.is_open and after.refused_cancel):
        return Proposal(())
    key = order.client_order_id
    request_id = derived_id("cancel again", key, order.refused_cancel)
    send = effects.SendCancel(key, after.venue_order_id, order.symbol, request_id)
    return Proposal((events.CancelRequested(key, request_id),), (send,))


_INPUTS: Final[dict[type[requests.Input], tuple[OrderInput, Proposer]]] = (
    REQUEST_INPUTS | REPORT_INPUTS | CLOCK_INPUTS | UNKNOWN_INPUTS
)


def _input_of(cause: requests.Input) -> tuple[OrderInput, Proposer]:
    """The table row of an input that has several: a risk verdict three, by its decision; a reject two."""
    if isinstance(cause, requests.ReleaseOrder):
        return RISK_INPUTS[cause.verdict.decision]
    if isinstance(cause, reports.RejectReport):
        return DUPLICATE_REJECTED if cause.duplicate_client_order_id else REJECTED
    raise KeyError(type(cause))
