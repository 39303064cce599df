"""The order's whole life as one table: every (state, input) pair has an answer, and nothing falls through.

Requests and shell inputs may be refused; reports are facts, so none of theirs is. A cell says how an input
is taken in a state; the guards in ``transitions`` look at its content where the cell is ``+`` or ``!``
(an execution already booked, a request already pending, an acknowledgement that says nothing new).

    +  apply                          =  already done: same effect, success, no second event
    !  apply and alert                .  knowingly ignored: late, and overtaken by better evidence
    ?  park as an open break, alert   -  refused with a reason, nothing changes

The page ``docs/state_machine_coverage.md`` and the diagram beside it are generated from here.
"""

from enum import StrEnum
from typing import Final

import msgspec

from execore.model.vocabulary import OrderState


class OrderInput(StrEnum):
    """What can happen to an order that exists: our requests, the shell's findings, the venue's reports."""

    SUBMIT = "submit"
    HOLD = "hold"
    DENY = "deny"
    CANCEL_REQUEST = "cancel_request"
    AMEND_REQUEST = "amend_request"
    CLOSE = "close"
    NOT_SENT = "not_sent"
    OUTCOME_UNKNOWN = "outcome_unknown"
    REQUEST_NOT_SENT = "request_not_sent"
    REQUEST_UNKNOWN = "request_unknown"
    NOT_FOUND = "not_found"
    RETRY_CANCEL = "retry_cancel"
    RESOLVE = "resolve"
    ACKNOWLEDGE = "acknowledge"
    FILL = "fill"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    DUPLICATE_REJECTED = "duplicate_rejected"
    EXPIRED = "expired"
    AMENDED = "amended"
    CANCEL_REJECTED = "cancel_rejected"
    AMEND_REJECTED = "amend_rejected"
    PENDING = "pending"
    DONE_FOR_DAY = "done_for_day"
    SUSPENDED = "suspended"
    STOPPED = "stopped"
    TRIGGERED = "triggered"
    RESTATED = "restated"
    STATUS = "status"
    TRADE_CANCELLED = "trade_cancelled"
    TRADE_CORRECTED = "trade_corrected"
    EXPIRY_DUE = "expiry_due"
    DAY_STARTED = "day_started"


REQUESTS: Final = frozenset(
    {
        OrderInput.SUBMIT,
        OrderInput.HOLD,
        OrderInput.DENY,
        OrderInput.CANCEL_REQUEST,
        OrderInput.AMEND_REQUEST,
        OrderInput.CLOSE,
        OrderInput.RESOLVE,
    }
)
"""Inputs that are ours to decide, and so may be refused; a refusal lists those that would be allowed."""


class Reaction(StrEnum):
    """How a table cell takes an input."""

    APPLY = "+"
    APPLY_AND_ALERT = "!"
    ALREADY_DONE = "="
    IGNORE = "."
    PARK = "?"
    REFUSE = "-"


class Rule(msgspec.Struct, frozen=True):
    """One cell: the reaction and why it is the right one.

    ``applies``: the input changes the order, unless its content says otherwise.
    """

    state: OrderState
    input: OrderInput
    reaction: Reaction
    why: str
    applies: bool
    alerts: bool

    @property
    def code(self) -> str:
        """The stable word for this cell in refusals and alerts, as ``fill_on_cancelled``."""
        return f"{self.input}_on_{self.state.lower()}"


_TABLE: Final = """
                   CREATED SUBMITTED UNKNOWN ACKNOWLEDGED PARTIALLY_FILLED FILLED CANCELLED EXPIRED REJECTED FAILED DENIED CLOSED
submit                +        =        =         =              =            =       -        -       -       -      -      -
hold                  +        -        -         -              -            -       -        -       -       -      -      -
deny                  +        -        -         -              -            -       -        -       -       -      =      -
cancel_request        +        +        +         +              +            -       =        -       -       -      -      -
amend_request         -        -        -         +              +            +       -        -       -       -      -      -
close                 -        -        -         -              -            +       +        +       +       +      +      =
not_sent              +        +        +         ?              ?            ?       .        .       .       =      .      .
outcome_unknown       -        +        =         .              .            .       .        .       .       .      .      .
request_not_sent      .        +        +         +              +            +       +        +       +       +      .      .
request_unknown       .        +        +         +              +            +       +        +       +       +      .      .
not_found             .        .        +         ?              ?            .       .        .       .       =      .      .
retry_cancel          .        +        +         +              +            .       .        .       .       .      .      .
resolve               -        +        +         +              +            +       +        +       +       +      -      -
acknowledge           !        +        +         +              +            +       +        +       ?       !      !      +
fill                  !        +        +         +              +            !       !        !       !       !      !      !
cancelled             !        +        +         +              +            +       +        +       !       !      !      !
rejected              !        +        +         +              +            +       .        .       =       .      !      .
duplicate_rejected    !        +        +         .              .            .       .        .       .       !      !      .
expired               !        +        +         +              +            +       +        =       ?       !      !      !
amended               !        +        +         +              +            +       !        !       !       !      !      !
cancel_rejected       .        +        +         +              +            +       +        +       +       +      .      .
amend_rejected        .        +        +         +              +            +       +        +       +       +      .      .
pending               .        +        +         +              +            +       +        +       +       +      .      .
done_for_day          !        +        +         +              +            +       .        =       ?       !      !      .
suspended             !        +        +         +              +            .       .        .       ?       !      !      .
stopped               !        +        +         +              +            .       ?        ?       ?       !      !      ?
triggered             !        +        +         +              +            .       .        .       ?       !      !      .
restated              !        +        +         +              +            +       !        !       !       !      !      !
status                .        .        .         .              .            .       .        .       .       .      .      .
trade_cancelled       ?        ?        ?         ?              !            !       !        !       ?       ?      ?      !
trade_corrected       ?        ?        ?         ?              !            !       !        !       ?       ?      ?      !
expiry_due            +        +        +         +              +            .       .        =       .       .      .      .
day_started           .        .        .         +              +            +       .        .       .       .      .      .
"""  # noqa: E501  # a table is read across

_UNSENT = "we have no record of sending it, yet the venue speaks of it"
_OVER = "the order is over; create a new one"
_BY_INPUT: Final[dict[OrderInput, str]] = {
    OrderInput.SUBMIT: "risk allowed it: recorded first, then sent; denied if its time is up",
    OrderInput.HOLD: "risk paused it: it stays unsent until somebody decides",
    OrderInput.DENY: "our own risk refused it",
    OrderInput.CANCEL_REQUEST: "asked for; the order lives on until the venue says otherwise",
    OrderInput.AMEND_REQUEST: "asked for; the old terms hold until the venue says otherwise",
    OrderInput.CLOSE: "finished, no request pending, the window for late reports over",
    OrderInput.NOT_SENT: "certainly not at the venue",
    OrderInput.OUTCOME_UNKNOWN: "sent, and no word of what became of it: exposure stays, the venue is asked",
    OrderInput.REQUEST_NOT_SENT: "the request came to nothing; the order is as it was",
    OrderInput.REQUEST_UNKNOWN: "no word of what became of the request; it stays pending",
    OrderInput.NOT_FOUND: "ends it if it proves absence; else it is sent again where a copy would be refused",
    OrderInput.RETRY_CANCEL: "nobody knows what became of the cancel, and to repeat it does no harm",
    OrderInput.RESOLVE: "an operator says what became of it, or of a request on it; recorded with the reason",
    OrderInput.ACKNOWLEDGE: "the venue knows the order",
    OrderInput.FILL: "money changed hands: booked; an acknowledgement is implied",
    OrderInput.CANCELLED: "nothing rests any more, asked for or not",
    OrderInput.REJECTED: "the venue refused it, even after acknowledging",
    OrderInput.DUPLICATE_REJECTED: "it refused a copy, as it has an order of this id: that one exists",
    OrderInput.EXPIRED: "its time in force is over",
    OrderInput.AMENDED: "these are the terms now, asked for or not",
    OrderInput.CANCEL_REJECTED: "the request is answered; the order is as it was",
    OrderInput.AMEND_REJECTED: "the request is answered; the order is as it was",
    OrderInput.PENDING: "the venue has the request, and has not decided",
    OrderInput.DONE_FOR_DAY: "no more executions today: the end of a day order, a rest for the others",
    OrderInput.SUSPENDED: "it keeps its place and does not trade for now",
    OrderInput.STOPPED: "a guarantee, and no trade: nothing is booked",
    OrderInput.TRIGGERED: "its condition came true: it can trade now",
    OrderInput.RESTATED: "these are the terms now, as the venue restated them; it is in force",
    OrderInput.STATUS: "an answer to a question is no news, and never an event",
    OrderInput.TRADE_CANCELLED: "an execution is undone: the books are as if it had never been",
    OrderInput.TRADE_CORRECTED: "an execution was another: the books are as if it had always been that",
    OrderInput.EXPIRY_DUE: "its time is up: only a venue that declares its silence is taken at its silence",
    OrderInput.DAY_STARTED: "a good-till order that was done for the day before rests again",
}
_BY_REACTION: Final[dict[Reaction, str]] = {
    Reaction.ALREADY_DONE: "already so; no second event",
    Reaction.IGNORE: "late or without object: what we know is newer",
    Reaction.PARK: "contradicts what is booked: both views are kept, a person decides",
    Reaction.REFUSE: _OVER,
}
_NOTES: Final[dict[tuple[str, str], str]] = {
    ("submit", "FILLED"): "already sent, and done",
    ("submit", "CANCELLED"): "it is over, and nothing is sent again",
    ("submit", "EXPIRED"): "it is over, and nothing is sent again",
    ("submit", "REJECTED"): "it is over, and nothing is sent again",
    ("submit", "FAILED"): "it is over, and nothing is sent again",
    ("submit", "CLOSED"): "it is over, and nothing is sent again",
    ("hold", "SUBMITTED"): "already sent; cancel it instead",
    ("hold", "UNKNOWN"): "already sent; cancel it instead",
    ("hold", "ACKNOWLEDGED"): "already at the venue; cancel it instead",
    ("hold", "PARTIALLY_FILLED"): "already at the venue; cancel it instead",
    ("deny", "SUBMITTED"): "already sent; cancel it instead",
    ("deny", "UNKNOWN"): "already sent; cancel it instead",
    ("deny", "ACKNOWLEDGED"): "already at the venue; cancel it instead",
    ("deny", "PARTIALLY_FILLED"): "already at the venue; cancel it instead",
    ("cancel_request", "CREATED"): "never sent, so it is cancelled here and nothing goes out",
    ("cancel_request", "UNKNOWN"): "it may be live: a cancel that finds nothing does no harm",
    ("cancel_request", "FILLED"): "nothing is left to cancel",
    ("amend_request", "CREATED"): "not sent yet: cancel it and create another",
    ("amend_request", "SUBMITTED"): "the venue has not answered yet: wait for it, or cancel",
    ("amend_request", "UNKNOWN"): "nobody knows whether it exists: wait for evidence, or cancel",
    ("amend_request", "FILLED"): "a higher total would open it again (FIX 4.4 Vol 4, C.1.c)",
    ("close", "CREATED"): "it was not even sent: cancel it first",
    ("close", "SUBMITTED"): "still live: cancel it first",
    ("close", "UNKNOWN"): "it may be live: only evidence or an operator ends it",
    ("close", "ACKNOWLEDGED"): "still live: cancel it first",
    ("close", "PARTIALLY_FILLED"): "still live: cancel it first",
    ("outcome_unknown", "CREATED"): "it was never sent",
    ("not_found", "CREATED"): "it was never sent",
    ("not_found", "SUBMITTED"): "its sending is on its way: the question was about one before",
    ("not_found", "ACKNOWLEDGED"): "the venue acknowledged it and does not know it now: a person decides",
    ("not_found", "PARTIALLY_FILLED"): "it traded and is not known now: a person decides",
    ("retry_cancel", "CREATED"): "it was never sent",
    ("resolve", "CREATED"): "it was never sent; cancel it instead",
    ("resolve", "SUBMITTED"): "what became of a request, by its id; the order itself is about to be answered",
    ("resolve", "DENIED"): "it was never sent",
    ("resolve", "CLOSED"): "nothing is unknown about it any more",
    ("acknowledge", "CANCELLED"): "old news, unless it was cancelled here before it was sent: then it lives",
    ("acknowledge", "REJECTED"): "the venue refused it before and accepts it now: a person decides",
    ("acknowledge", "FAILED"): "thought absent, and it lives: exposure is back",
    ("acknowledge", "DENIED"): "we never sent it, and it lives: exposure is back",
    ("fill", "FILLED"): "beyond the order's quantity: booked, overfilled, further orders are a risk decision",
    ("fill", "CANCELLED"): "traded before the cancel took effect: booked, the cancel stands",
    ("fill", "EXPIRED"): "traded before it expired: booked, the expiry stands",
    ("fill", "REJECTED"): "a rejected order does not trade: booked, and the reject is disproved",
    ("fill", "FAILED"): "an absent order does not trade: booked, and the absence is disproved",
    ("fill", "DENIED"): "we never sent it: booked all the same, it is our account's money",
    ("fill", "CLOSED"): "later than the venue's own window: booked, the order comes back",
    ("cancelled", "FILLED"): "it stays FILLED, as nothing was left; if a fill is undone, it is cancelled",
    ("expired", "CANCELLED"): "over already; kept where it was cancelled here before it was sent",
    ("expired", "FILLED"): "it stays FILLED, as nothing was left; if a fill is undone, it is expired",
    ("cancelled", "CANCELLED"): "already so, unless only its quantity was amended to nothing",
    ("cancelled", "EXPIRED"): "answers a cancel still pending; else it is over already",
    ("cancelled", "REJECTED"): "it existed after all, and is over: a late fill must not open it again",
    ("cancelled", "FAILED"): "it existed after all, and is over",
    ("cancelled", "DENIED"): "we never sent it, and the venue had it: it is over there",
    ("cancelled", "CLOSED"): "over already; kept where it was filled, or thought never to have been there",
    ("rejected", "PARTIALLY_FILLED"): "a copy's reject is noted; its own contradicts the fills: parked",
    ("rejected", "FILLED"): "a copy's reject is noted; its own contradicts the fills: parked",
    ("duplicate_rejected", "FAILED"): "thought absent, and the venue has it: exposure is back",
    ("duplicate_rejected", "DENIED"): "we never sent it, and the venue has it: exposure is back",
    ("expired", "REJECTED"): "a rejected order does not expire: a person decides",
    ("rejected", "DENIED"): "we never sent it, and the venue refused it",
    ("expired", "FAILED"): "it existed after all, and is over",
    ("expired", "DENIED"): "we never sent it, and the venue had it: it is over there",
    ("expired", "CLOSED"): "over already; kept where it was filled, or thought never to have been there",
    ("amended", "FILLED"): "a higher total reopens a filled order (FIX 4.4 Vol 4, C.1.c)",
    ("amended", "CANCELLED"): "if the venue says quantity rests, it rests: exposure is back",
    ("amended", "EXPIRED"): "if the venue says quantity rests, it rests: exposure is back",
    ("amended", "DENIED"): "we never sent it, and the venue changed it: exposure is back",
    ("done_for_day", "EXPIRED"): "its day is over already",
    ("done_for_day", "DENIED"): "we never sent it, and the venue has it: exposure is back",
    ("suspended", "FILLED"): "nothing is left to suspend",
    ("suspended", "DENIED"): "we never sent it, and the venue has it: exposure is back",
    ("stopped", "FILLED"): "all of it traded, so the guarantee is kept",
    ("stopped", "DENIED"): "we never sent it, and the venue has it: exposure is back",
    ("triggered", "FILLED"): "it traded, so it was triggered",
    ("triggered", "DENIED"): "we never sent it, and the venue has it: exposure is back",
    ("restated", "FILLED"): "a higher total opens it again, a lower one changes nothing",
    ("restated", "CANCELLED"): "if the venue says it rests, it rests: exposure is back",
    ("restated", "EXPIRED"): "if the venue says it rests, it rests: exposure is back",
    ("restated", "DENIED"): "we never sent it, and the venue has it: exposure is back",
    ("trade_cancelled", "FILLED"): "what is undone is open again (FIX 4.4 Vol 4, J.1.a)",
    ("trade_cancelled", "CANCELLED"): "undone, and it stays cancelled (FIX 4.4 Vol 4, J.1.b)",
    ("trade_cancelled", "EXPIRED"): "undone, and its day stays over (FIX 4.4 Vol 4, J.1.d)",
    ("trade_cancelled", "CLOSED"): "later than the venue's own window: undone, the order comes back",
    ("trade_corrected", "CLOSED"): "later than the venue's own window: corrected, the order comes back",
    ("expiry_due", "CREATED"): "its time was up before it was sent: denied",
    ("expiry_due", "SUBMITTED"): "does the venue have it? Asked after, and never ended by our clock",
    ("expiry_due", "UNKNOWN"): "does the venue have it? Asked after, and never ended by our clock",
    ("not_sent", "ACKNOWLEDGED"): "the venue acknowledged what is said to be absent: a person decides",
    ("not_sent", "PARTIALLY_FILLED"): "it traded, so it is not absent: a person decides",
    ("not_sent", "FILLED"): "it traded, so it is not absent: a person decides",
}


_NEED_EXECUTIONS: Final = frozenset({OrderInput.TRADE_CANCELLED, OrderInput.TRADE_CORRECTED})


def _why(state: OrderState, order_input: OrderInput, reaction: Reaction) -> str:
    note = _NOTES.get((order_input.value, state.value))
    if note is not None:
        return note
    if reaction is Reaction.PARK and order_input in _NEED_EXECUTIONS:
        return "it has no executions: a person decides"
    if reaction is Reaction.APPLY_AND_ALERT and state is OrderState.CREATED:
        return _UNSENT
    return _BY_REACTION.get(reaction, _BY_INPUT[order_input])


def _parse(table: str) -> dict[OrderInput, dict[OrderState, Rule]]:
    header, *rows = [line.split() for line in table.strip().splitlines()]
    states = [OrderState(name) for name in header]
    rules: dict[OrderInput, dict[OrderState, Rule]] = {}
    for name, *cells in rows:
        order_input = OrderInput(name)
        rules[order_input] = {
            state: Rule(
                state,
                order_input,
                reaction,
                _why(state, order_input, reaction),
                applies=reaction in (Reaction.APPLY, Reaction.APPLY_AND_ALERT),
                alerts=reaction is Reaction.APPLY_AND_ALERT,
            )
            for state, reaction in zip(states, map(Reaction, cells), strict=True)
        }
    return rules


RULES: Final = _parse(_TABLE)
"""``RULES[input][state]`` is the cell."""


def allowed_requests(state: OrderState) -> tuple[str, ...]:
    """The requests that the table accepts in ``state``, for the reader of a refusal."""
    return tuple(
        order_input.value
        for order_input, row in RULES.items()
        if order_input in REQUESTS and row[state].reaction is Reaction.APPLY
    )
