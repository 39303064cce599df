"""A book: the public face of execore. Opens a journal, takes requests and reports, sends, recovers.

Everything a caller is told, and everything a venue is sent, is durable before. Use a book from one thread.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from msgspec.structs import replace

from execore.core.engine import open_book as new_book
from execore.core.order_ledger import OrderLedger
from execore.core.order_state_machine import resubmission
from execore.core.position_ledger import PositionLedger
from execore.core.risk_hook import ALLOWED, RiskContext, RiskHook, evaluate_hooks
from execore.core.validation import ValidationHook, validate_order
from execore.journal.protocol import EMPTY_HEAD, Head, Journal
from execore.model import effects, requests
from execore.model.answers import Answer
from execore.model.errors import (
    DuplicateClientOrderId,
    InvalidConfiguration,
    InvalidInput,
    UnknownInstrument,
)
from execore.model.failures import VenueError
from execore.model.ids import time_ordered_id
from execore.model.instruments import Instrument
from execore.model.money import Number, to_decimal
from execore.model.orders import OrderRequest, disclosed
from execore.model.reports import Report, VenueReport
from execore.model.vocabulary import CostMethod, to_word
from execore.runtime.addresses import open_journal
from execore.runtime.clock import Clock, RandomBits, system_clock, system_random_bits
from execore.runtime.grouping import Grouping
from execore.runtime.recovery import catch_up_projections, history_of, in_flight, rebuild
from execore.runtime.sender import Sender
from execore.runtime.trading_time import TradingTime
from execore.runtime.writer import Writer
from execore.venues.calendars import TradingCalendar
from execore.venues.protocol import Venue

OnAlert = Callable[[effects.Alert], None]
_MAXIMUM_ROUNDS: Final = 10_000
"""A venue that answers every report with another report would keep the pump busy for ever."""


class Book:
    """One account at one venue: one stream of records, one writer.

    Make it with ``open_book``. Without a venue, the effects in each answer are the caller's to carry out,
    and reports come in through ``apply``.
    """

    def __init__(
        self,
        writer: Writer,
        *,
        own_journal: Journal | None,
        venue: Venue | None,
        risk_hooks: Sequence[RiskHook],
        validators: Sequence[ValidationHook],
        clock: Clock,
        random_bits: RandomBits,
        calendar: TradingCalendar | None,
        on_alert: OnAlert | None,
    ) -> None:
        self._writer = writer
        self._own_journal = own_journal
        self._venue = venue
        self._sender = None if venue is None else Sender(venue, clock)
        self._risk_hooks = tuple(risk_hooks)
        self._validators = tuple(validators)
        self._clock = clock
        self._random_bits = random_bits
        self._time = TradingTime(calendar, venue)
        self._on_alert = on_alert
        self._grouping = Grouping(
            state=lambda: self._writer.state,
            take=self._take,
            context=self._context,
            risk_hooks=self._risk_hooks,
            clock=clock,
            end_of=self._time.end_of,
            new_id=self.new_id,
        )

    # --- requests -----------------------------------------------------------------------------------

    def submit(self, order: OrderRequest, *, actor: str = "") -> Answer:
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
        """
        return self.submit_all([order], actor=actor)[0]

    def submit_all(self, orders: Iterable[OrderRequest], *, actor: str = "") -> list[Answer]:
        """Submit several orders with one durable commit; see ``submit``.

        Risk hooks see the positions as committed before this call. If one order is not acceptable, none is
        submitted.

        Raises:
            As ``submit``.
        """
        return self._request(self._submissions(orders, actor))

    def release(self, client_order_id: str, *, actor: str = "operator") -> Answer:
        """Ask risk again about an order that is held: it is sent, denied, or stays held.

        Raises:
            UnknownOrder: there is no such order. NotRecorded, OutcomeUnknown: as ``submit``.
        """
        ts_ns = self._clock()
        order = self.orders.get(client_order_id)
        verdict = evaluate_hooks(self._risk_hooks, order.request, self._context(order.request, ts_ns))
        return self._take(
            requests.ReleaseOrder(ts_ns=ts_ns, actor=actor, client_order_id=client_order_id, verdict=verdict)
        )

    def cancel(self, client_order_id: str, *, request_id: str = "", actor: str = "operator") -> Answer:
        """Ask the venue to cancel what is left of an order. A cancel already pending is not sent again.

        Raises:
            UnknownOrder: there is no such order. NotRecorded, OutcomeUnknown: as ``submit``.
        """
        return self._take(
            requests.CancelOrder(
                ts_ns=self._clock(),
                actor=actor,
                client_order_id=client_order_id,
                request_id=request_id or self.new_id(),
            )
        )

    def amend(
        self,
        client_order_id: str,
        *,
        quantity: Number | None = None,
        price: Number | None = None,
        stop_price: Number | None = None,
        request_id: str = "",
        actor: str = "operator",
    ) -> Answer:
        """Ask the venue to change an order; ``quantity`` is the new total, what is filled included.

        Raises:
            InvalidInput: by field. UnknownOrder: there is no such order.
            NotRecorded, OutcomeUnknown: as ``submit``.
        """
        return self._take(
            requests.AmendOrder(
                ts_ns=self._clock(),
                actor=actor,
                client_order_id=client_order_id,
                request_id=request_id or self.new_id(),
                quantity=None if quantity is None else to_decimal(quantity, "quantity"),
                price=None if price is None else to_decimal(price, "price"),
                stop_price=None if stop_price is None else to_decimal(stop_price, "stop_price"),
            )
        )

    def close_order(self, client_order_id: str, *, actor: str = "operator") -> Answer:
        """Settle a finished order: no late report is expected any more.

        Raises:
            UnknownOrder: there is no such order. NotRecorded, OutcomeUnknown: as ``submit``.
        """
        return self._take(
            requests.CloseOrder(ts_ns=self._clock(), actor=actor, client_order_id=client_order_id)
        )

    def define_instrument(self, instrument: Instrument, *, actor: str = "operator") -> Answer:
        """Make an instrument known to the book, or change its tick, step and limits from now on.

        Raises:
            InvalidInput: it would change the unit of what is booked.
            NotRecorded, OutcomeUnknown: as ``submit``.
        """
        return self._take(requests.DefineInstrument(ts_ns=self._clock(), actor=actor, instrument=instrument))

    def transfer_cash(
        self, transfer_id: str, currency: str, amount: Number, *, actor: str = "operator"
    ) -> Answer:
        """Book cash paid in (positive) or taken out (negative), once for each ``transfer_id``.

        Raises:
            InvalidNumber, InvalidInput: by field. NotRecorded, OutcomeUnknown: as ``submit``.
        """
        return self._take(
            requests.TransferCash(
                ts_ns=self._clock(),
                actor=actor,
                transfer_id=transfer_id,
                currency=currency,
                amount=to_decimal(amount, "amount"),
            )
        )

    # --- reports ------------------------------------------------------------------------------------

    def apply(self, reports: Iterable[VenueReport]) -> list[Answer]:
        """Book reports, all in one durable commit. None is refused: what fits nothing is parked and alerted.

        Raises:
            InvalidInput: one is no report; none was booked.
            NotRecorded, OutcomeUnknown: the record failed; the book is closed.
        """
        made = list(reports)  # before the first is stepped, in the maker's own context
        for report in made:
            if not isinstance(report, Report):
                raise InvalidInput("reports", f"{report!r:.60} is no report", "See execore.reports")
        return self._process(made)

    def pump(self) -> int:
        """Take what the venue has reported and book it, until it has nothing more; return how many.

        Raises:
            VenueError: the venue cannot say what it has to report, or always has more; what came is booked.
            NotRecorded, OutcomeUnknown: the record failed; the book is closed.
        """
        taken = 0
        for _ in range(_MAXIMUM_ROUNDS):
            reports = [] if self._venue is None else self._venue.take_reports()
            if not reports:
                return taken
            taken += len(reports)
            self._process(reports)
        raise VenueError(f"book {self.name}: the venue reported {_MAXIMUM_ROUNDS} times, and has not ended")

    # --- time ---------------------------------------------------------------------------------------

    def pass_time(self) -> list[Answer]:
        """Do what is due by the clock: orders whose time is up, and a day that began. Reports come first.

        Call it when ``next_due_ns`` says, or as often as you like: what is due is done once.

        Raises:
            VenueError: the venue cannot say what it has to report, so its silence means nothing.
            InvalidConfiguration: the calendar does not reach that far.
            NotRecorded, OutcomeUnknown: as ``submit``.
        """
        self.pump()
        return self._request(self._time.inputs(self._writer.state, self._clock()))

    def next_due_ns(self) -> int | None:
        """When ``pass_time`` will have something to do, integer nanoseconds UTC; None as far as is known.

        Raises:
            InvalidConfiguration: the calendar does not reach that far.
        """
        return self._time.next_due_ns(self._writer.state, self._clock())

    # --- looking ------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The book's name."""
        return self._writer.book

    @property
    def orders(self) -> OrderLedger:
        """The order ledger: for looking. It changes through this book only."""
        return self._writer.state.orders

    @property
    def positions(self) -> PositionLedger:
        """The position ledger: for looking. It changes through this book only."""
        return self._writer.state.positions

    @property
    def groups(self) -> Grouping:
        """Orders that depend on each other: one cancels other, one triggers other, brackets."""
        return self._grouping

    @property
    def head(self) -> Head:
        """The last durable sequence and hash."""
        return self._writer.head

    def new_id(self) -> str:
        """A new time-ordered id: 32 hex digits of a UUIDv7."""
        return time_ordered_id(self._clock(), self._random_bits(74))

    # --- ending -------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the book, and its journal if ``open_book`` opened that. Orders at the venue stay as they are.

        Closing twice is allowed.
        """
        self._writer.close()
        if self._own_journal is not None:
            self._own_journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- how ------------------------------------------------------------------------------------------

    def settle(self, instruments: Sequence[Instrument] = ()) -> None:
        """Give every request that was in flight when the process ended an outcome: unknown, and asked for.

        Groups do nothing until what the venue has to report is booked: what they need hangs on that.
        """
        causes, to_ask = in_flight(self._writer.state, self._clock())
        defined = [
            requests.DefineInstrument(ts_ns=self._clock(), actor="system", instrument=instrument)
            for instrument in instruments
        ]
        self._writer.tends_groups = False
        self._process([*defined, *causes])
        self._perform(to_ask)
        self.pump()
        self._writer.tends_groups = True
        self._process(self._grouping.reviews())

    def _submissions(self, orders: Iterable[OrderRequest], actor: str) -> list[requests.SubmitOrder]:
        """The orders as inputs, once all of them are known to be acceptable."""
        submissions = [self._submission(order, actor) for order in orders]
        stands_for: dict[str, OrderRequest] = {}
        for order in (submission.order for submission in submissions):
            if stands_for.setdefault(order.client_order_id, order) != order:
                raise DuplicateClientOrderId(
                    "client_order_id",
                    f"{order.client_order_id!r} is given to two different orders in one call",
                )
        return submissions

    def _submission(self, order: OrderRequest, actor: str) -> requests.SubmitOrder:
        ts_ns = self._clock()
        if not order.client_order_id:
            order = replace(order, client_order_id=self.new_id())
        known, ends_ts_ns = self.orders.find(order.client_order_id), None
        if known is None:
            ends_ts_ns = self._time.end_of(order, ts_ns)
            verdict = evaluate_hooks(self._risk_hooks, order, self._context(order, ts_ns))
        else:
            resubmission(known, order)  # raises if it is another order
            verdict = ALLOWED  # nothing will be sent, so there is nothing to judge
        actor = actor or f"strategy:{order.strategy}"
        return requests.SubmitOrder(
            ts_ns=ts_ns, actor=actor, order=order, verdict=verdict, ends_ts_ns=ends_ts_ns
        )

    def _take(self, cause: requests.Input) -> Answer:
        return self._request([cause])[0]

    def _request(self, causes: Sequence[requests.Input]) -> list[Answer]:
        """Commit requests, carry them out, and answer with the orders as they are then.

        Once they are recorded, they are answered: what fails after that is an alert. An error would tell the
        caller that nothing was sent, who would then ask again, under another id.
        """
        answers, refused = self._writer.process(causes)
        try:
            self._perform(effect for answer in answers for effect in answer.effects)
            self.pump()
        except Exception as error:  # a foreign client may raise anything
            self._alert(self._interruption(error))
        if refused is not None:
            raise refused
        return answers if self._venue is None else [self._as_now(answer) for answer in answers]

    def _interruption(self, error: Exception) -> effects.Alert:
        if not self._writer.is_closed:
            return effects.Alert(getattr(error, "code", "venue_error"), f"no reports: {error}")
        message = f"book {self.name} closed itself, as what the venue answered is not recorded: {error}"
        return effects.Alert("book_closed", message)

    def _as_now(self, answer: Answer) -> Answer:
        if answer.order is None or self._writer.is_closed:
            return answer
        return replace(answer, order=self.orders.get(answer.order.client_order_id))

    def _process(self, causes: Iterable[requests.Input]) -> list[Answer]:
        """Commit the causes, then perform their effects; what fails then is an alert, as in ``_request``."""
        answers, refused = self._writer.process(causes)
        try:
            self._perform(effect for answer in answers for effect in answer.effects)
        except Exception as error:  # a failed append: the causes are recorded, what came of a send is not
            self._alert(self._interruption(error))
        if refused is not None:
            raise refused
        return answers

    def _perform(self, todo: Iterable[effects.Effect]) -> None:
        """Carry out effects; what the sends led to is committed in turn."""
        queue = deque(todo)
        while queue:
            effect = queue.popleft()
            if isinstance(effect, effects.Alert):
                self._alert(effect)
            elif self._sender is not None:
                found_out, alerts = self._sender.perform(effect)
                queue.extend(alerts)
                try:
                    answers, _ = self._writer.process(found_out)  # our own findings are always acceptable
                except BaseException:
                    for alert in (left for left in queue if isinstance(left, effects.Alert)):
                        self._alert(alert)  # of what is recorded; messages that were not sent are in doubt
                    raise
                queue.extend(effect for answer in answers for effect in answer.effects)

    def _alert(self, alert: effects.Alert) -> None:
        """Tell the listener. What it raises is its own affair: what happened is recorded already."""
        if self._on_alert is not None:
            with suppress(Exception):
                self._on_alert(alert)

    def _context(self, order: OrderRequest, ts_ns: int) -> RiskContext:
        """What the hooks may look at; the user's own validators run first, as nothing may be created else."""
        state = self._writer.state
        instrument = state.positions.instrument(order.symbol)
        if instrument is None:
            raise UnknownInstrument(
                "symbol", f"{order.symbol!r} is not defined in this book", "Define it first"
            )
        disclosed(order.side)
        validate_order(order, instrument)
        for validate in self._validators:
            validate(order, instrument)
        position = state.positions.position(order.symbol).quantity
        return RiskContext(ts_ns, instrument, position, state.orders.open_count)


def open_book(
    journal: Journal | str,
    name: str = "main",
    *,
    instruments: Iterable[Instrument] = (),
    cost_method: CostMethod | str = CostMethod.AVERAGE,
    venue: Venue | None = None,
    risk_hooks: Sequence[RiskHook] = (),
    validators: Sequence[ValidationHook] = (),
    clock: Clock = system_clock,
    random_bits: RandomBits = system_random_bits,
    calendar: TradingCalendar | None = None,
    on_alert: OnAlert | None = None,
    progress: Callable[[int], None] | None = None,
) -> Book:
    """Open a book on a journal: begin it, or replay it and settle whatever was in flight.

    Args:
        journal: an open journal, which stays its owner's to close, or an address such as
            ``sqlite:///trading.db`` or ``memory:``.
        name: which of the journal's books.
        instruments: what may be traded; those known already may change tick, step and limits.
        cost_method: fixed when the book begins.
        venue: where orders are sent. Without one, the caller carries out the effects.
        risk_hooks: asked in order before every submission; the first that does not allow decides.
        validators: run before an order is created; each raises ``InvalidInput`` to refuse.
        clock, random_bits: time and chance, to make a run repeatable.
        calendar: when the venue trades: day orders end with its sessions, and days begin with them.
        on_alert: called with every alert, after it is durable.
        progress: called with every sequence replayed.

    Raises:
        InvalidConfiguration: the cost method is not the one the book began with.
        JournalError and its children: the journal cannot be opened, or its chain is broken.
    """
    method = to_word(cost_method, CostMethod, "cost_method")
    opened = open_journal(journal) if isinstance(journal, str) else journal
    try:
        writer = _begin(opened, name, method, clock) or _resume(opened, name, method, clock, progress)
        book = Book(
            writer,
            own_journal=opened if isinstance(journal, str) else None,
            venue=venue,
            risk_hooks=risk_hooks,
            validators=validators,
            clock=clock,
            random_bits=random_bits,
            calendar=calendar,
            on_alert=on_alert,
        )
        book.settle(tuple(instruments))
    except BaseException:
        if isinstance(journal, str):
            opened.close()
        raise
    return book


def _begin(journal: Journal, name: str, method: CostMethod, clock: Clock) -> Writer | None:
    """A new book's writer, its first record made; None if the journal has the book already."""
    if journal.head(name) != EMPTY_HEAD:
        return None
    ts_ns = clock()
    state, event = new_book(name, method, ts_ns, history_of(journal, name))
    writer = Writer(journal, name, state, EMPTY_HEAD, clock)
    writer.record(event, "system", ts_ns)
    return writer


def _resume(
    journal: Journal, name: str, method: CostMethod, clock: Clock, progress: Callable[[int], None] | None
) -> Writer:
    """A writer that continues the book where its journal ends."""
    state, head = rebuild(journal, name, progress)
    if state.positions.cost_method is not method:
        raise InvalidConfiguration(
            "cost_method",
            f"book {name} began with {state.positions.cost_method}, not {method}",
            "Open it with the method it has, or begin another book",
        )
    catch_up_projections(journal, name, state, head)
    return Writer(journal, name, state, head, clock)
