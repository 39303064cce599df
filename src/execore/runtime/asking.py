"""What a caller may ask of a book, whoever answers: at once (``Book``) or through a handle (``Runtime``)."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from execore.core.book_state import BookState
from execore.core.engine import check_input
from execore.model.entries import AnyEntry
from execore.model.errors import InvalidInput
from execore.model.instruments import Instrument
from execore.model.keys import Key, KeyKind
from execore.model.lots import LotChoice
from execore.model.money import Number, to_decimal
from execore.model.orders import OrderRequest
from execore.model.reports import KINDS, VenueReport
from execore.model.requests import (
    AmendOrder,
    BookEntry,
    CancelOrder,
    ChooseLots,
    CloseOrder,
    DefineInstrument,
    Input,
    ResolveOrder,
    SetMark,
    SetRate,
    TransferCash,
)
from execore.model.text import check_text
from execore.model.vocabulary import Resolution, to_word
from execore.runtime.input_maker import InputMaker

One = TypeVar("One")
Many = TypeVar("Many")
Make = Callable[[BookState], Iterable[Input]]
"""Makes the inputs of a request from the state that they will meet."""


class Ask(msgspec.Struct, frozen=True, eq=False):
    """One request in the queue.

    Attributes:
        make: called by the writer when its turn has come; it may raise ``InvalidInput``.
        keys: other ids it names that may stand for orders memory has let go of.
        causes: what it makes, where that hangs on nothing; with ``make``, what that chooses from.
        one: the answer is one, and not a list.
        urgent: it is taken also when the queue is full.
        then: called once it is recorded, when its effects are carried out.
        group_id: the group that it is about.
    """

    make: Make | None = None
    keys: Sequence[Key] = ()
    causes: Sequence[Input] = ()
    one: bool = True
    urgent: bool = False
    then: Callable[[], None] | None = None
    group_id: str = ""


class Asking(ABC, Generic[One, Many]):
    """The requests of one book. What they return says how it is answered: an answer, or a handle on it."""

    def __init__(self, maker: InputMaker) -> None:
        self._maker = maker

    @abstractmethod
    def _ask(self, ask: Ask) -> Any:
        """Have it recorded and carried out; return the answer, or a handle on it."""

    def submit(self, order: OrderRequest, *, actor: str = "") -> One:
        """Create an order, ask risk, record it, and send it.

        The same client order id with the same content answers with the existing order and sends nothing. An
        empty client order id is replaced by a new time-ordered one.

        Args:
            actor: who asks; ``strategy:<name>`` of the order if not given.

        Returns:
            APPLIED with the order SUBMITTED, DENIED or held, or further if the venue answered already.

        Raises:
            InvalidInput: by field; nothing was recorded.
            DuplicateClientOrderId: the id stands for an order of other content.
            NotRecorded, OutcomeUnknown: the record failed, the book is closed, nothing was sent.
            Busy: the queue is full; nothing was taken.
        """
        maker = self._maker
        keys = _keys(order)
        named = maker.named(order)
        answer: One = self._ask(Ask(lambda state: (maker.submission(state, named, actor),), keys))
        return answer

    def submit_all(self, orders: Iterable[OrderRequest], *, actor: str = "") -> Many:
        """Submit several orders with one durable commit; see ``submit``.

        Risk hooks see the book as it is before the first of them. If one order is not acceptable, none is
        submitted.

        Raises:
            As ``submit``.
        """
        maker = self._maker
        wanted = list(orders)
        keys = [key for order in wanted for key in _keys(order)]
        named = [maker.named(order) for order in wanted]
        answers: Many = self._ask(Ask(lambda state: maker.submissions(state, named, actor), keys, one=False))
        return answers

    def release(self, client_order_id: str, *, actor: str = "operator") -> One:
        """Ask risk again about an order that is held: it is sent, denied, or stays held.

        Raises:
            InvalidInput: the id is no text. UnknownOrder: there is no such order.
            NotRecorded, OutcomeUnknown, Busy: as ``submit``.
        """
        maker = self._maker
        key = Key(KeyKind.ORDER, check_text(client_order_id, "client_order_id"))
        answer: One = self._ask(Ask(lambda state: (maker.release(state, client_order_id, actor),), (key,)))
        return answer

    def cancel(self, client_order_id: str, *, request_id: str = "", actor: str = "operator") -> One:
        """Ask the venue to cancel what is left of an order. A cancel already pending is not sent again.

        Raises:
            UnknownOrder: there is no such order. NotRecorded, OutcomeUnknown, Busy: as ``submit``.
        """
        cause = CancelOrder(
            ts_ns=self._maker.now_ns(),
            actor=actor,
            client_order_id=client_order_id,
            request_id=request_id or self._maker.new_id(),
        )
        return self._static(cause)

    def cancel_all(self, *, symbol: str = "", strategy: str = "", actor: str = "operator") -> Many:
        """Cancel every open order, or those of an instrument or a strategy, in one durable commit.

        Orders that were not sent yet end here. It is taken also when the queue is full.

        Returns:
            An answer for each order.

        Raises:
            NotRecorded, OutcomeUnknown: as ``submit``.
        """
        maker = self._maker
        answers: Many = self._ask(
            Ask(lambda state: maker.cancels(state, symbol, strategy, actor), one=False, urgent=True)
        )
        return answers

    def amend(
        self,
        client_order_id: str,
        *,
        quantity: Number | None = None,
        price: Number | None = None,
        stop_price: Number | None = None,
        request_id: str = "",
        actor: str = "operator",
    ) -> One:
        """Ask the venue to change an order; ``quantity`` is the new total, what is filled included.

        Raises:
            InvalidInput: by field. UnknownOrder: there is no such order.
            NotRecorded, OutcomeUnknown, Busy: as ``submit``.
        """
        cause = AmendOrder(
            ts_ns=self._maker.now_ns(),
            actor=actor,
            client_order_id=client_order_id,
            request_id=request_id or self._maker.new_id(),
            quantity=None if quantity is None else to_decimal(quantity, "quantity"),
            price=None if price is None else to_decimal(price, "price"),
            stop_price=None if stop_price is None else to_decimal(stop_price, "stop_price"),
        )
        return self._static(cause)

    def close_order(self, client_order_id: str, *, actor: str = "operator") -> One:
        """Settle a finished order: no late report is expected any more.

        Raises:
            UnknownOrder: there is no such order. NotRecorded, OutcomeUnknown, Busy: as ``submit``.
        """
        cause = CloseOrder(ts_ns=self._maker.now_ns(), actor=actor, client_order_id=client_order_id)
        return self._static(cause)

    def resolve(
        self,
        client_order_id: str,
        resolution: Resolution | str,
        *,
        reason: str,
        venue_order_id: str = "",
        request_id: str = "",
        actor: str = "operator",
    ) -> One:
        """Say what became of an order, or of a request on it, that nobody else can tell about any more.

        It is recorded with who said it and why. Only what is unknown can be resolved.

        Args:
            resolution: ``absent``: the venue never had it; ``live``: it has it.
            reason: how you know.
            venue_order_id: by which the venue knows a live order, if it is known.
            request_id: of a cancel or an amend of unknown outcome, if it is about that: it came to nothing.

        Raises:
            InvalidInput: by field. UnknownOrder: there is no such order.
            NotRecorded, OutcomeUnknown, Busy: as ``submit``.
        """
        cause = ResolveOrder(
            ts_ns=self._maker.now_ns(),
            actor=actor,
            client_order_id=client_order_id,
            resolution=to_word(resolution, Resolution, "resolution"),
            reason=reason,
            venue_order_id=venue_order_id,
            request_id=request_id,
        )
        return self._static(cause)

    def define_instrument(self, instrument: Instrument, *, actor: str = "operator") -> One:
        """Make an instrument known to the book, or change its tick, step and limits from now on.

        Raises:
            InvalidInput: it would change the unit of what is booked.
            NotRecorded, OutcomeUnknown, Busy: as ``submit``.
        """
        cause = DefineInstrument(ts_ns=self._maker.now_ns(), actor=actor, instrument=instrument)
        return self._static(cause)

    def transfer_cash(
        self,
        transfer_id: str,
        currency: str,
        amount: Number,
        *,
        counterparty: str = "",
        actor: str = "operator",
    ) -> One:
        """Book cash paid in (positive) or taken out (negative), once for each ``transfer_id``.

        Args:
            counterparty: the other book, where it comes from one or goes to one.

        Raises:
            InvalidNumber, InvalidInput: by field. NotRecorded, OutcomeUnknown, Busy: as ``submit``.
        """
        cause = TransferCash(
            ts_ns=self._maker.now_ns(),
            actor=actor,
            transfer_id=transfer_id,
            currency=currency,
            amount=to_decimal(amount, "amount"),
            counterparty=counterparty,
        )
        return self._static(cause)

    def book_entry(self, entry: AnyEntry, *, actor: str = "operator", ts_ns: int | None = None) -> One:
        """Change the books by what is no execution: funding, a split, an expiry, an adjustment.

        Args:
            entry: one of ``execore.entries``; its ``entry_id`` is booked once.
            ts_ns: when it happened, integer nanoseconds UTC; now if not given.

        Raises:
            InvalidInput: by field; nothing was booked. DuplicateEntryId: the id is another entry's.
            NotRecorded, OutcomeUnknown, Busy: as ``submit``.
        """
        at_ns = self._maker.now_ns() if ts_ns is None else ts_ns
        return self._static(BookEntry(ts_ns=at_ns, actor=actor, entry=entry))

    def choose_lots(
        self,
        execution_id: str,
        lots: Iterable[LotChoice],
        *,
        execution_scope: str = "",
        actor: str = "operator",
    ) -> One:
        """Say which lots an execution that is booked closed, in a book of ``specific_lot``.

        The books are as if it had been said before. For what they do not cover, the oldest are taken.

        Raises:
            UnknownExecution: it is not booked. UnknownLot: a lot was not open then, or smaller.
            InvalidInput: the book keeps no lots to choose from.
            NotRecorded, OutcomeUnknown, Busy: as ``submit``.
        """
        cause = ChooseLots(
            ts_ns=self._maker.now_ns(),
            actor=actor,
            execution_id=execution_id,
            execution_scope=execution_scope,
            lots=tuple(lots),
        )
        return self._static(cause)

    def set_mark(
        self, symbol: str, price: Number, *, actor: str = "operator", ts_ns: int | None = None
    ) -> One:
        """Note what one unit of an instrument is worth: what statements value positions at.

        Args:
            ts_ns: as of when, integer nanoseconds UTC; now if not given.

        Raises:
            UnknownInstrument, InvalidNumber: nothing was noted.
            NotRecorded, OutcomeUnknown, Busy: as ``submit``.
        """
        at_ns = self._maker.now_ns() if ts_ns is None else ts_ns
        mark = to_decimal(price, "price")
        return self._static(SetMark(ts_ns=at_ns, actor=actor, symbol=symbol, price=mark))

    def set_rate(
        self, base: str, quote: str, rate: Number, *, actor: str = "operator", ts_ns: int | None = None
    ) -> One:
        """Note what one unit of ``base`` is worth in ``quote``.

        Args:
            ts_ns: as of when, integer nanoseconds UTC; now if not given.

        Raises:
            InvalidInput: by field; nothing was noted. NotRecorded, OutcomeUnknown, Busy: as ``submit``.
        """
        at_ns = self._maker.now_ns() if ts_ns is None else ts_ns
        worth = to_decimal(rate, "rate")
        return self._static(SetRate(ts_ns=at_ns, actor=actor, base=base, quote=quote, rate=worth))

    def apply(self, reports: Iterable[VenueReport]) -> Many:
        """Book reports in one durable commit. None is refused: what fits nothing is parked and alerted.

        A bust or a correction begins a commit of its own, as it needs the past of its instrument.

        Raises:
            InvalidInput: one is no report; none was booked.
            NotRecorded, OutcomeUnknown: the record failed; the book is closed.
        """
        made = list(reports)  # before the first is stepped, in the maker's own context
        for report in made:
            if type(report) not in KINDS:
                raise InvalidInput("reports", f"{report!r:.60} is no report", "See execore.reports")
        answers: Many = self._ask(Ask(causes=made, one=False, urgent=True))
        return answers

    def take_history(self, causes: Sequence[Input], on_refusal: Callable[[int, InvalidInput], None]) -> Many:
        """Take what a history says, one after the other, in one durable commit.

        Each input that is not acceptable is refused by itself, and the next is taken; so is a report that
        would be parked if a venue told it now.

        Args:
            on_refusal: told the place of an input that is refused, and why.

        Returns:
            An answer for each of the others.

        Raises:
            NotRecorded, OutcomeUnknown: the record failed; the book is closed.
        """

        def acceptable(state: BookState) -> Iterator[Input]:
            for place, cause in enumerate(causes):  # each meets the state that those before it left
                try:
                    check_input(state, cause)
                except InvalidInput as error:
                    on_refusal(place, error)
                else:
                    yield cause

        answers: Many = self._ask(Ask(acceptable, causes=causes, one=False, urgent=True))
        return answers

    def new_id(self) -> str:
        """A new time-ordered id: 32 hex digits of a UUIDv7."""
        return self._maker.new_id()

    def _static(self, cause: Input) -> One:
        answer: One = self._ask(Ask(causes=(cause,)))
        return answer


def _keys(order: OrderRequest) -> tuple[Key, ...]:
    """Its id, which may have been used before; one that is made for it was not."""
    return (Key(KeyKind.ORDER, order.client_order_id),) if order.client_order_id else ()
