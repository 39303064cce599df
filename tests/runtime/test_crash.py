"""A trading process is killed at random moments, again and again: restart is replay, nothing is sent twice.

The exchange lives in the parent, so it outlives every kill, and what it did is the truth to compare with. The
child reaches it through a pipe: a kill may come before, between or after a message, its answer and the record
of either.
"""

import os
import random
import signal
import time
import traceback
from collections import Counter
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

from execore import AuditLog, Book, OrderRequest, OrderState, SqliteJournal, open_book
from execore.core import invariants
from execore.model.effects import QueryOrder, SendAmend, SendCancel, SendOrder
from execore.model.reports import VenueReport
from execore.runtime.recovery import rebuild
from execore.venues.paper import PaperVenue
from execore.venues.protocol import Capabilities, QueryAnswer
from runtime_support.trading import BITCOIN, START_NS, order, paper_venue

KILLS = 50
LONGEST_LIFE_SECONDS = 0.25


class Exchange:
    """The paper venue as a session sees it: reports that were not taken in whole come again on reconnect."""

    def __init__(self) -> None:
        self.paper = paper_venue()
        self.received: Counter[str] = Counter()
        self._unconfirmed: list[VenueReport] = []

    def call(self, name: str, message: Any) -> Any:
        """One call of the ``Venue`` protocol, come in through the pipe or from a book in this process."""
        if name == "take_reports":  # asking for more confirms what was given before
            self._unconfirmed = self.paper.take_reports()
            return self._unconfirmed
        if name == "submit":
            self.received[message.order.client_order_id] += 1
        return getattr(self.paper, name)(message)

    def reconnected(self) -> None:
        """The other end is new: what it did not confirm is given again."""
        self.paper._outbox[:0] = self._unconfirmed


class Session:
    """A ``Venue`` at the end of a wire."""

    name = "exchange"

    def __init__(self, call: Any) -> None:
        self._call = call

    @property
    def capabilities(self) -> Capabilities:
        """The exchange's."""
        return PaperVenue("paper", [], start_ts_ns=START_NS).capabilities

    def submit(self, message: SendOrder) -> None:
        """Pass it on."""
        self._call("submit", message)

    def cancel(self, message: SendCancel) -> None:
        """Pass it on."""
        self._call("cancel", message)

    def amend(self, message: SendAmend) -> None:
        """Pass it on."""
        self._call("amend", message)

    def query(self, message: QueryOrder) -> QueryAnswer:
        """Pass it on."""
        answer: QueryAnswer = self._call("query", message)
        return answer

    def take_reports(self) -> list[VenueReport]:
        """Pass it on."""
        reports: list[VenueReport] = self._call("take_reports", None)
        return reports


def trade_until_killed(
    path: Path, wire: Connection, acknowledge: int, seed: int, unsure: list[OrderRequest]
) -> NoReturn:
    """The child: submits, amends and cancels for ever, and tells every order id once ``submit`` returned.

    It begins, as a strategy would, by submitting once more what it may have submitted before.
    """

    def call(name: str, message: Any) -> Any:
        wire.send((name, message))
        return wire.recv()

    try:
        chance = random.Random(seed)
        with open_book(str(path), instruments=[BITCOIN], venue=Session(call)) as book:
            book.submit_all(unsure)
            while True:
                trade(book, chance, acknowledge)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def trade(book: Book, chance: random.Random, acknowledge: int) -> None:
    side, price = chance.choice((("buy", 101), ("sell", 99), ("buy", 98), ("sell", 103)))
    quantity = f"0.{chance.randint(1, 900):03}"
    answer = book.submit(order(client_order_id="", side=side, price=price, quantity=quantity))
    assert answer.order is not None
    os.write(acknowledge, f"{answer.order.client_order_id}\n".encode())
    for live in book.orders.open_orders()[:3]:
        if chance.random() < 0.5:
            book.cancel(live.client_order_id)
        elif live.price is not None:
            book.amend(live.client_order_id, quantity=live.quantity + 1)


def serve(exchange: Exchange, wire: Connection, life_seconds: float, chance: random.Random) -> None:
    """Be the exchange for the child's life; meanwhile the market moves."""
    end = time.monotonic() + life_seconds
    while (left := end - time.monotonic()) > 0:
        if wire.poll(left):
            try:
                wire.send(exchange.call(*wire.recv()))
            except (EOFError, ConnectionError):
                return  # the child ended by itself
            bid, ask = chance.choice(((99, 101), (99, 101), (98, 100), (101, 103)))
            exchange.paper.on_quote("BTC-USD", bid, 5, ask, 5, START_NS)


def killed(path: Path, exchange: Exchange, chance: random.Random) -> list[str]:
    """Let a child trade for a while and kill it; return the orders that were acknowledged to its caller."""
    told, acknowledge = os.pipe()
    ours, theirs = Pipe()
    child = os.fork()
    if child == 0:
        unsure = [known.request for known in exchange.paper.orders()[-3:]]
        trade_until_killed(path, theirs, acknowledge, chance.getrandbits(32), unsure)
    os.close(acknowledge)
    theirs.close()
    with ours:
        serve(exchange, ours, chance.uniform(0.01, LONGEST_LIFE_SECONDS), chance)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL, "the child ended by itself"
        while ours.poll():  # the last message may have left before the kill
            try:
                exchange.call(*ours.recv())
            except (EOFError, ConnectionError):
                break
    with os.fdopen(told) as lines:
        return [line.strip() for line in lines.read().splitlines(keepends=True) if line.endswith("\n")]


def in_flight(path: Path) -> int:
    """How many orders the journal leaves without an outcome, before anybody settles them."""
    with SqliteJournal(path, read_only=True) as journal:
        if not journal.books():
            return 0
        state, _ = rebuild(journal, "main")
        return len(state.orders.by_state(OrderState.SUBMITTED))


def check(book: Book, journal: SqliteJournal, exchange: Exchange, acknowledged: list[str]) -> None:
    verification = AuditLog(journal, "main").verify(book.head)
    assert verification.ok, verification.message
    state, head = rebuild(journal, "main")
    assert (state.orders.to_dict(), head) == (book.orders.to_dict(), book.head)
    assert state.positions.to_dict() == book.positions.to_dict()
    invariants.check(state)
    assert [key for key in acknowledged if key not in book.orders] == []
    assert book.orders.by_state(OrderState.SUBMITTED, OrderState.CREATED) == []
    theirs = {known.request.client_order_id: known for known in exchange.paper.orders()}
    for ours in book.orders:
        known = theirs.pop(ours.client_order_id, None)
        if known is None:
            assert ours.state is OrderState.UNKNOWN, "recorded, and killed before it was sent"
        else:
            assert (ours.filled, ours.state) == (known.filled, known.state), ours
    assert theirs == {}, "the exchange has orders that were never recorded"
    assert set(exchange.received.values()) <= {1}, "sent twice"


def test_fifty_kills_lose_nothing_and_send_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    chance = random.Random(20_241_122)
    exchange = Exchange()
    acknowledged: list[str] = []
    caught_in_flight = 0
    for _ in range(KILLS):
        acknowledged += killed(path, exchange, chance)
        caught_in_flight += path.exists() and in_flight(path) > 0
        exchange.reconnected()
        with SqliteJournal(path) as journal:
            book = open_book(journal, instruments=[BITCOIN], venue=Session(exchange.call))
            check(book, journal, exchange, acknowledged)
        exchange.reconnected()
    assert len(acknowledged) > KILLS
    assert caught_in_flight > 0, "the kills came at harmless moments only"
    print(f"{len(acknowledged)} orders acknowledged, {caught_in_flight} kills with an order in flight")
