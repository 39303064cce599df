"""One open book in the loop: its writer, its venue, and what happens once something is recorded."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from msgspec.structs import replace

from execore.journal.protocol import Journal
from execore.model import effects
from execore.model.answers import Answer
from execore.model.events import OrderReowned
from execore.model.orders import Order
from execore.model.requests import Input
from execore.model.vocabulary import OrderState
from execore.runtime.asking import Ask
from execore.runtime.callbacks import Callbacks, InOrder
from execore.runtime.fallback import FallbackFile
from execore.runtime.grouping import Grouping
from execore.runtime.input_maker import InputMaker
from execore.runtime.intake import Intake
from execore.runtime.resolving import Resolver
from execore.runtime.sender import Message, Sender
from execore.runtime.subscriptions import Subscription
from execore.runtime.timers import MonotonicClock, Spacing
from execore.runtime.watches import Watches
from execore.runtime.writer import Writer
from execore.venues.protocol import QueryAnswer

OnAlert = Callable[[effects.Alert], None]


class Channel:
    """Carries out what was recorded for one book, and brings what comes of it back into the queue.

    Args:
        put: queues inputs of the book; they always find room.
        resolver: asks after what is unknown.
        on_alert: told every alert, one after the other.

    Attributes:
        sender, intake: to the venue and from it; None without a venue: then effects are the caller's.
        fallback: where cancels are noted while storage has failed.
        watches: who waits for an order to come to something.
        subscriptions: who follows the book's records.
    """

    def __init__(
        self,
        journal: Journal,
        writer: Writer,
        maker: InputMaker,
        *,
        put: Callable[["Channel", Ask], None],
        resolver: Resolver | None,
        monotonic_ns: MonotonicClock,
        callbacks: Callbacks,
        on_alert: OnAlert | None,
    ) -> None:
        self.journal = journal
        self.writer = writer
        self.maker = maker
        self.name = writer.book
        self.now_ns = maker.now_ns
        self.sender: Sender | None = None
        self.intake: Intake | None = None
        self.fallback: FallbackFile | None = None
        self.resolver = resolver
        self._put = put
        self.monotonic_ns = monotonic_ns
        self.grouping: Grouping[None] = Grouping(
            state=lambda: writer.state, ask=lambda ask: put(self, ask), maker=maker
        )
        self.watches = Watches(lambda key: None if writer.is_closed else writer.state.orders.find(key))
        self._to_do: deque[Answer | effects.Effect] = deque()
        self._has_told_closed = False
        self._troubles = Spacing()
        self.subscriptions: list[Subscription] = []
        self._on_alert = on_alert
        self._alerts = InOrder(callbacks)

    # --- after the commit -----------------------------------------------------------------------------

    def with_group(self, answer: Answer, group_id: str) -> Answer:
        """An answer about a group, with the group as it is."""
        if self.writer.is_closed:
            return answer
        return replace(answer, group=self.writer.state.groups.find(group_id))

    def interrupted(self, error: BaseException) -> None:
        """Tell that what nobody waits for was not recorded."""
        if self.writer.failure is not None:
            self.tell_closed()
        elif not self.writer.is_closed:
            self.alert(effects.Alert(getattr(error, "code", "error"), f"book {self.name}: {error}"))

    def tell_closed(self) -> None:
        """Tell that the book closed itself, once."""
        failure = self.writer.failure
        if failure is not None and not self._has_told_closed:
            self._has_told_closed = True
            message = f"book {self.name} closed itself, as what happened is not recorded: {failure}"
            self.alert(effects.Alert("book_closed", message))

    def carry_out(self, answers: Iterable[Answer]) -> None:
        """Do what was decided, now that it is durable.

        A listener who asks the book for more while he is told finds the rest done before that.
        """
        self._to_do.extend(answers)
        while self._to_do:
            each = self._to_do.popleft()
            if not isinstance(each, Answer):
                self.perform(each)
                continue
            if self.resolver is not None and each.events and not self.writer.is_closed:
                self._note(each, self.resolver)
            self._to_do.extendleft(reversed(each.effects))

    def go_on(self) -> None:
        """After every batch, when all of it is carried out."""
        if self.writer.is_closed:
            self.tell_closed()
            return
        self.ask_due()
        for subscription in self.subscriptions:
            subscription.advance(self.writer.head.sequence)

    def _note(self, answer: Answer, resolver: Resolver) -> None:
        """Keep what is asked about in step with what is known; a group's answer is about other orders too."""
        orders, now_ns = self.writer.state.orders, self.monotonic_ns()
        for event in answer.events:
            if type(event) is OrderReowned:
                resolver.forget(event.external_order_id)
        if answer.order is not None and not self.writer.state.groups.places:
            resolver.note(answer.order, now_ns)
            return
        for key in {getattr(event, "client_order_id", ""): None for event in answer.events}:
            order = orders.find(key)
            if order is not None:
                resolver.note(order, now_ns)

    def perform(self, effect: effects.Effect) -> None:
        """Carry out one effect."""
        if isinstance(effect, effects.Alert):
            self.alert(effect)
        elif self.sender is None or self.resolver is None:
            return
        elif isinstance(effect, effects.QueryOrder):
            self.resolver.ask(effect, self.monotonic_ns())
        elif isinstance(effect, effects.SendCancel) or not self.writer.is_closed:
            self.sender.send(effect)  # what makes exposure stays here once nothing can be recorded

    def alert(self, alert: effects.Alert) -> None:
        """Tell the listener. What it raises is its own affair: what happened is recorded already."""
        if self._on_alert is not None:
            self._alerts.run(partial(self._on_alert, alert))

    def guarded(self, call: Callable[[], object]) -> None:
        """Make a user's own call; what it raises is an alert."""
        try:
            call()
        except Exception as error:
            message = f"a callback of book {self.name} raised {type(error).__name__}: {error}"
            self.alert(effects.Alert("callback_failed", message))

    def found_out(self, found: Input) -> None:
        """Queue what the shell learnt about its own sending."""
        self.put_inputs([found])

    def put_inputs(self, causes: Sequence[Input], then: Callable[[], None] | None = None) -> None:
        """Queue inputs that are facts; ``then`` is called once they are recorded."""
        self._put(self, Ask(causes=causes, one=False, urgent=True, then=then))

    def still_wanted(self, message: Message) -> bool:
        """Whether a message that waited should still go out."""
        if self.writer.is_closed:
            return isinstance(message, effects.SendCancel)
        find = self.writer.state.orders.find
        if isinstance(message, effects.SendOrder):
            order = find(message.order.client_order_id)
            return order is not None and order.state is OrderState.SUBMITTED and not _is_unwanted(order)
        order = find(message.client_order_id)
        if order is None or message.request_id not in order.pending_request_ids:
            return False
        if isinstance(message, effects.SendCancel):
            return True
        is_last = message.request_id == order.pending_replaces[-1].request_id  # else it is wanted no more
        return is_last and order.is_open and not _is_unwanted(order)

    def cancel_all(self) -> None:
        """Queue a cancel of everything that is open."""
        if not self.writer.is_closed:
            maker = self.maker
            self._put(self, Ask(lambda state: maker.cancels(state, "", "", "system"), one=False, urgent=True))

    def pass_time(self) -> None:
        """Queue what is due by the clock and the calendar."""
        if not self.writer.is_closed:
            maker = self.maker
            self._put(
                self,
                Ask(lambda state: maker.trading_time.inputs(state, maker.now_ns()), one=False, urgent=True),
            )

    # --- what is unknown --------------------------------------------------------------------------------

    def handed_over(self, message: Message) -> None:
        """Remember that an answer is due."""
        if self.resolver is not None:
            self.resolver.sent(message, self.monotonic_ns())

    def ask_due(self) -> None:
        """Ask the venue what is due to be asked, and queue what is due to be decided."""
        if self.resolver is None or self.sender is None or self.writer.is_closed:
            return
        for item in self.resolver.due(self.monotonic_ns()):
            if isinstance(item, effects.QueryOrder):
                self.sender.ask(item, partial(self._answered, item))
            elif isinstance(item, effects.Alert):
                self.alert(item)
            else:
                self.put_inputs([item])

    def pump(self, after: Callable[[bool], None] | None = None) -> None:
        """Take what the venue reports."""
        if self.intake is not None and not self.writer.is_closed:
            self.intake.pump(after)

    def cannot_take_reports(self, error: Exception) -> None:
        """Tell that the venue cannot say what it has to report: its silence means nothing.

        It is asked many times a second, and told less and less often while it goes on.
        """
        if self._troubles.is_due(type(error).__name__, self.monotonic_ns()):
            self.alert(effects.Alert(getattr(error, "code", "venue_error"), f"no reports: {error}"))

    def _answered(self, query: effects.QueryOrder, answer: QueryAnswer | Exception, asked_ns: int) -> None:
        """The venue answered a question. What it knows is among its reports, and is taken first."""
        self.pump(lambda taken: self._conclude(query, answer if taken else None, asked_ns))

    def _conclude(
        self, query: effects.QueryOrder, answer: QueryAnswer | Exception | None, asked_ns: int
    ) -> None:
        if self.resolver is None:
            return
        key = query.client_order_id
        known = None if isinstance(answer, Exception) else answer
        if answer is not None and self.resolver.is_first_in_vain(key, known):
            self.alert(_unanswered(key, answer))  # told once, though it is asked on and on
        found = self.resolver.answered(key, known, asked_ns, self.monotonic_ns())
        if found:
            self.put_inputs(found)


def _is_unwanted(order: Order) -> bool:
    """Whether somebody has asked for its cancel, or it was refused before the venue knew the order."""
    return bool(order.pending_cancels or order.refused_cancel)


def _unanswered(client_order_id: str, answer: QueryAnswer | Exception) -> effects.Alert:
    why = (
        f"{type(answer).__name__}: {answer}"
        if isinstance(answer, Exception)
        else "the venue does not know it now, which alone is no proof of absence"
    )
    message = f"asking after order {client_order_id} gave no answer: {why}"
    return effects.Alert("query_unanswered", message, client_order_id)
