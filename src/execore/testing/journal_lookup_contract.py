"""What every journal must find: orders by what names them, and trades. Part of ``JournalContract``."""

from collections.abc import Callable
from decimal import Decimal

from execore.journal.protocol import Changes, FillRow, FillsDisclosed, Journal
from execore.model.events import DayStarted, FillBooked, OrderReowned, Trade, TradeCancelled, TradeCorrected
from execore.model.keys import Key, KeyKind, execution_key
from execore.model.money import ZERO
from execore.model.orders import Order, OrderRequest
from execore.model.records import Record
from execore.model.trades import PastTrade
from execore.model.vocabulary import Side

LOOKED_UP = "looked-up"
SYMBOL = "BTC-USD"
TIME_NS = 1_700_000_000_000_000_000
ORDER, VENUE_ORDER, EXECUTION = KeyKind.ORDER, KeyKind.VENUE_ORDER, KeyKind.EXECUTION


def commit(journal: Journal, **changes: object) -> None:
    """Append a record that says nothing, with these ``Changes``: a journal takes them as they are given."""
    head = journal.head(LOOKED_UP)
    number = head.sequence + 1
    time = TIME_NS + number
    event = DayStarted(f"2026-01-{number:02}", time)
    line = Record(number, LOOKED_UP, time, time, "system", "", event)
    journal.append(LOOKED_UP, head.sequence, [line], Changes(**changes))  # type: ignore[arg-type]


def order(name: str, venue_order_id: str = "", symbol: str = SYMBOL, created: int = 0) -> Order:
    """An order of this id, made so many nanoseconds after the others."""
    request = OrderRequest(
        client_order_id=name, symbol=symbol, side=Side.BUY, quantity=Decimal(5), price=Decimal(9)
    )
    made = TIME_NS + created
    return Order(
        request=request,
        quantity=request.quantity,
        price=None,
        venue_order_id=venue_order_id,
        created_ts_ns=made,
        updated_ts_ns=made,
    )


def fill(sequence: int, name: str, execution_id: str, side: Side = Side.BUY, symbol: str = SYMBOL) -> FillRow:
    """One lot for ``sequence`` dollars, booked to the order by the record of this sequence."""
    booked = FillBooked(name, symbol, side, Decimal(1), Decimal(sequence), execution_id, "scope")
    return FillRow(sequence, TIME_NS, booked)


def trade(price: int, side: Side = Side.BUY, quantity: int = 1) -> Trade:
    """What a ``fill`` at this price comes to."""
    return Trade(SYMBOL, side, Decimal(quantity), Decimal(price))


def execution(execution_id: str) -> Key:
    """The key of a ``fill``'s execution, or of a change of one."""
    return Key(EXECUTION, execution_key("scope", execution_id))


def found(journal: Journal, *keys: Key) -> list[str | None]:
    """What each of the keys stands for, asked all at once."""
    answers = journal.find_orders(LOOKED_UP, keys)
    assert answers.keys() <= set(keys)
    return [answers.get(key) for key in keys]


def traded(journal: Journal, symbol: str = SYMBOL) -> list[tuple[str, Trade]]:
    """The instrument's trades by their execution ids, in order."""
    prefix = execution_key("scope", "")
    past = journal.past(LOOKED_UP, [symbol])
    return [(key.removeprefix(prefix), item.trade) for key, item in past if isinstance(item, PastTrade)]


def take_over(journal: Journal, external: str, owner: str) -> None:
    """What the external order had is the owner's from now on."""
    moved = OrderReowned(owner, external, "V1", ZERO, ZERO)
    commit(journal, fill_changes=[moved], keys=[(Key(ORDER, external), owner)])


class LookupContract:
    """The contract of ``find_orders`` and ``past``, in one book."""

    def test_nothing_is_found_where_nothing_is(self, make_journal: Callable[[], Journal]) -> None:
        journal = make_journal()
        assert journal.find_orders("nobody", [Key(ORDER, "a")]) == {}
        assert list(journal.past("nobody", [SYMBOL])) == []
        commit(journal, orders=[order("a", "V1")], fills=[fill(1, "a", "E1")])
        assert journal.find_orders(LOOKED_UP, []) == {}
        assert journal.find_orders("other", [Key(ORDER, "a"), Key(VENUE_ORDER, "V1"), execution("E1")]) == {}

    def test_an_order_is_found_by_every_kind_of_key(self, make_journal: Callable[[], Journal]) -> None:
        journal = make_journal()
        commit(
            journal,
            orders=[order("a", "V2")],
            fills=[fill(1, "a", "E1")],
            keys=[
                (Key(ORDER, "request-1"), "a"),
                (execution("C1"), "a"),
                (Key(VENUE_ORDER, "V1", SYMBOL), "a"),
            ],
        )
        keys = [
            Key(ORDER, "a"),
            Key(ORDER, "request-1"),
            Key(VENUE_ORDER, "V2", SYMBOL),
            Key(VENUE_ORDER, "V2"),
            Key(VENUE_ORDER, "V1", SYMBOL),
            Key(VENUE_ORDER, "V1"),
            execution("E1"),
            execution("C1"),
        ]
        assert found(journal, *keys) == ["a"] * len(keys)
        strangers = [
            Key(ORDER, "E1"),
            Key(ORDER, "V2"),
            Key(ORDER, ""),
            Key(VENUE_ORDER, "a", SYMBOL),
            Key(VENUE_ORDER, "", SYMBOL),
            Key(VENUE_ORDER, ""),
            Key(VENUE_ORDER, "V2", "ETH-USD"),
            Key(EXECUTION, execution_key("", "E1")),
            Key(EXECUTION, "request-1"),
        ]
        assert found(journal, *strangers) == [None] * len(strangers)

    def test_hundreds_of_keys_are_looked_up_at_once(self, make_journal: Callable[[], Journal]) -> None:
        journal = make_journal()
        commit(
            journal,
            orders=[order(f"order-{n}", f"V{n}") for n in range(1_000)],
            fills=[fill(n, f"order-{n}", f"E{n}") for n in range(1_000)],
        )
        keys = [
            one for n in range(0, 1_100, 2) for one in (Key(VENUE_ORDER, f"V{n}", SYMBOL), execution(f"E{n}"))
        ]
        expected = [name for n in range(0, 1_100, 2) for name in 2 * [f"order-{n}" if n < 1_000 else None]]
        assert found(journal, *keys) == expected

    def test_a_key_is_any_text(self, make_journal: Callable[[], Journal]) -> None:
        journal = make_journal()
        names = ["a'b", 'a"b', "caf\u00e9", "a\x00b", "a\nb", "%", "\U0001f600"]
        commit(
            journal,
            orders=[order(f"order-{place}", name) for place, name in enumerate(names)],
            keys=[(Key(ORDER, name), f"order-{place}") for place, name in enumerate(names)],
        )
        expected: list[str | None] = [f"order-{place}" for place in range(len(names))]
        assert found(journal, *[Key(VENUE_ORDER, name, SYMBOL) for name in names]) == expected
        assert found(journal, *[Key(ORDER, name) for name in names]) == expected
        assert found(journal, Key(ORDER, "a"), Key(VENUE_ORDER, "a")) == [None, None]

    def test_an_id_that_was_given_twice_is_the_newer_orders(
        self, make_journal: Callable[[], Journal]
    ) -> None:
        journal = make_journal()
        commit(journal, orders=[order("new", "V1", created=9), order("old", "V1", created=1)])
        commit(journal, orders=[order("elsewhere", "V1", "ETH-USD", created=20)])
        assert found(journal, Key(VENUE_ORDER, "V1", SYMBOL)) == ["new"]
        assert found(journal, Key(VENUE_ORDER, "V1", "ETH-USD")) == ["elsewhere"]
        assert found(journal, Key(VENUE_ORDER, "V1")) == ["new"], "in the first symbol by name"

    def test_the_venue_renames_an_order(self, make_journal: Callable[[], Journal]) -> None:
        journal = make_journal()
        commit(journal, orders=[order("a", "V1")])
        commit(journal, orders=[order("a", "V2")], keys=[(Key(VENUE_ORDER, "V1", SYMBOL), "a")])
        assert found(journal, Key(VENUE_ORDER, "V1", SYMBOL), Key(VENUE_ORDER, "V2", SYMBOL)) == ["a", "a"]
        commit(journal, orders=[order("b", "V1", created=5)])
        assert found(journal, Key(VENUE_ORDER, "V1", SYMBOL)) == ["b"]

    def test_what_was_taken_over_answers_with_its_present_owner(
        self, make_journal: Callable[[], Journal]
    ) -> None:
        journal = make_journal()
        commit(
            journal,
            orders=[order("first", "V1"), order("second"), order("third", "V1")],
            fills=[fill(1, "first", "E1")],
            keys=[(execution("C1"), "first"), (Key(ORDER, "request-1"), "first")],
        )
        take_over(journal, "first", "second")
        keys = [Key(ORDER, "first"), Key(ORDER, "request-1"), execution("E1"), execution("C1")]
        assert found(journal, *keys) == ["second"] * len(keys)
        take_over(journal, "second", "third")
        assert found(journal, Key(ORDER, "second"), *keys) == ["third"] * (1 + len(keys))
        assert found(journal, Key(VENUE_ORDER, "V1", SYMBOL)) == ["third"]
        assert traded(journal) == [("E1", trade(1))]

    def test_trades_are_those_that_stand_in_the_order_of_booking(
        self, make_journal: Callable[[], Journal]
    ) -> None:
        journal = make_journal()
        commit(
            journal,
            orders=[order("a"), order("b")],
            fills=[
                fill(1, "b", "E9"),
                fill(2, "a", "E2", Side.SELL),
                fill(3, "a", "E3", symbol="ETH-USD"),
                fill(4, "a", "E1"),
            ],
        )
        assert traded(journal) == [("E9", trade(1)), ("E2", trade(2, Side.SELL)), ("E1", trade(4))]
        assert [name for name, _ in traded(journal, "ETH-USD")] == ["E3"]
        now = trade(20, Side.BUY, 3)
        changes = [
            TradeCancelled("a", "B1", "scope", "E1", trade(4)),
            TradeCorrected("a", "C1", "scope", "E2", trade(2, Side.SELL), now),
        ]
        commit(journal, fill_changes=changes)
        assert traded(journal) == [("E9", trade(1)), ("E2", now)]

    def test_a_trade_of_undisclosed_side_counts_from_when_it_is_told(
        self, make_journal: Callable[[], Journal]
    ) -> None:
        journal = make_journal()
        hidden = Side.UNDISCLOSED
        commit(
            journal,
            orders=[order("a"), order("b")],
            fills=[fill(1, "a", "E1", hidden), fill(2, "a", "E2", hidden), fill(3, "b", "E3")],
        )
        assert traded(journal)[:2] == [("E1", trade(1, hidden)), ("E2", trade(2, hidden))]
        now = trade(10, Side.SELL)
        commit(journal, fill_changes=[TradeCorrected("a", "C1", "scope", "E1", trade(1, hidden), now)])
        assert traded(journal) == [("E1", now), ("E2", trade(2, hidden)), ("E3", trade(3))], (
            "a correction changes it in its place"
        )
        commit(journal, fills=[fill(5, "b", "E5")], fill_changes=[FillsDisclosed(4, "a", Side.BUY)])
        assert [name for name, _ in traded(journal)] == ["E1", "E3", "E2", "E5"]
        assert dict(traded(journal))["E2"] == trade(2)

    def test_changes_apply_after_the_fills_they_come_with(self, make_journal: Callable[[], Journal]) -> None:
        journal = make_journal()
        commit(
            journal,
            orders=[order("a")],
            fills=[fill(1, "a", "E1"), fill(2, "a", "E2")],
            fill_changes=[TradeCancelled("a", "B1", "scope", "E1", trade(1))],
        )
        assert traded(journal) == [("E2", trade(2))]
        assert found(journal, execution("E1")) == ["a"], "a copy of it must still be known"
