"""Who waits for an order to come to something: told when that is durable."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from weakref import ref

from execore.model.answers import Answer
from execore.model.orders import Order
from execore.runtime.handle import Handle

Until = Callable[[Order], bool]


class Watches:
    """What is waited for in one book, by order. To be used under the writer's lock.

    An order may never come to it: a handle is let go of when nobody holds it and nobody waits for it.

    Args:
        find: an order as it is now, by its id.

    Attributes:
        awaited: the handles that somebody waits for; they keep it themselves.
    """

    def __init__(self, find: Callable[[str], Order | None]) -> None:
        self.awaited: set[Handle[Any]] = set()
        self._find = find
        self._waiting: dict[str, list[tuple[Until, ref[Handle[Order]]]]] = {}
        self._gone: deque[str] = deque()  # an order's id for each handle that was let go of
        self._failure: BaseException | None = None

    def add(self, client_order_id: str, until: Until, handle: Handle[Order]) -> None:
        """Settle ``handle`` with the order as soon as it is such; at once with an error after ``fail``."""
        if self._failure is not None:
            handle.settle(error=self._failure)
            return
        self._forget()
        watch = until, ref(handle, lambda _: self._gone.append(client_order_id))
        self._waiting.setdefault(client_order_id, []).append(watch)

    def fulfil(self, answers: Iterable[Answer]) -> list[Handle[Any]]:
        """Settle what these answers bring about; return the handles, for whoever waits to be woken."""
        settled: list[Handle[Any]] = []
        if not self._waiting:
            return settled
        for answer in answers:
            for order in self._changed(answer):
                settled += self._ask(order)
        return settled

    def _ask(self, order: Order) -> list[Handle[Any]]:
        """Ask who waits for an order. They stay where they are meanwhile: one that hangs hides no other."""
        key, settled = order.client_order_id, []
        for until, handle in self._held(key):
            if _is_settled_by(order, until, handle):
                settled.append(handle)
        self._sort_out(key)
        return settled

    def _held(self, key: str) -> list[tuple[Until, Handle[Order]]]:
        """Those who wait for an order, as far as anybody still holds their handles."""
        held = ((until, found()) for until, found in self._waiting.get(key, ()))
        return [(until, handle) for until, handle in held if handle is not None]

    def _sort_out(self, key: str) -> None:
        """Keep only those whose handle is held, and not settled."""
        watches = self._waiting.pop(key, ())
        left = [watch for watch in watches if (handle := watch[1]()) is not None and not handle.is_settled]
        if left:
            self._waiting[key] = left

    def _forget(self) -> None:
        """Forget what was waited for with handles that nobody holds any more."""
        keys = {self._gone.popleft() for _ in range(len(self._gone))}
        for key in keys:
            self._sort_out(key)

    def _changed(self, answer: Answer) -> Iterator[Order]:
        """The orders that an answer changed and somebody waits for; one input may change several."""
        about = "" if answer.order is None else answer.order.client_order_id
        for key in {getattr(event, "client_order_id", ""): None for event in answer.events} | {about: None}:
            if key in self._waiting:
                order = answer.order if key == about else self._find(key)
                if order is not None:
                    yield order

    def fail(self, error: BaseException) -> list[Handle[Any]]:
        """Give up all that is waited for, for good; return the handles.

        At the end it is called without the lock, if the writer that has it hangs.
        """
        self._failure = error
        failed = [handle for key in tuple(self._waiting) for _, handle in self._held(key)]
        self._waiting = {}
        for handle in failed:
            handle.settle(error=error)
        return failed


def _is_settled_by(order: Order, until: Until, handle: Handle[Order]) -> bool:
    try:
        if not until(order):
            return False
    except Exception as error:  # a user's own
        handle.settle(error=error)
    else:
        handle.settle(order)
    return True
