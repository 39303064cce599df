"""Replay: what it verifies, where it stops, and that it makes the same state from wherever it begins."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from execore.core.book_state import BookState
from execore.journal.codec import chained, decode_record
from execore.journal.memory import MemoryJournal
from execore.journal.protocol import EMPTY_HEAD, Head
from execore.model.errors import ChainBroken
from execore.model.records import StoredRecord
from execore.runtime.book import open_book
from execore.runtime.recovery import PAGE, follow, history_of, rebuild, replayed, verified
from execore.testing.lifecycles import INSTRUMENTS, open_orders, run_lifecycles

BOOK = "bench"


class Kept:
    """A stream as somebody left it: enough of a journal to replay."""

    def __init__(self, records: list[StoredRecord]) -> None:
        self.records = records

    def read(self, book: str, from_sequence: int = 1) -> Iterator[StoredRecord]:
        return iter([stored for stored in self.records if stored.sequence >= from_sequence])

    def head(self, book: str) -> Head:
        return head_of(self.records[-1])

    def read_order(self, book: str, client_order_id: str) -> Iterator[StoredRecord]:
        return (stored for stored in self.records if client_order_id.encode() in stored.data)


@pytest.fixture(scope="module")
def journal() -> MemoryJournal:
    """More than two pages of trading, with some orders open at the end."""
    journal = MemoryJournal()
    book = open_book(journal, BOOK, instruments=INSTRUMENTS)
    run_lifecycles(book, range(400))
    open_orders(book, range(400, 450))
    assert 2 * PAGE < book.head.sequence < 3 * PAGE
    return journal


@pytest.fixture
def records(journal: MemoryJournal) -> list[StoredRecord]:
    return list(journal.read(BOOK))


def shown(state: BookState) -> object:
    return state.orders.to_dict(), state.positions.to_dict(), state.positions.cash()


def head_of(stored: StoredRecord) -> Head:
    return Head(stored.sequence, stored.hash)


def test_a_replay_ends_in_the_head_that_it_verified(journal: MemoryJournal) -> None:
    state, head = rebuild(journal, BOOK)
    assert head == journal.head(BOOK)
    assert len(state.orders.open_orders()) == 50
    assert [len(page) for page in verified(journal, BOOK)] == [PAGE, PAGE, head.sequence - 2 * PAGE]


@pytest.mark.parametrize("place", [1, 21, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, -1, 0])
def test_following_from_any_record_makes_what_a_replay_from_the_first_makes(
    records: list[StoredRecord], place: int
) -> None:
    """``place``: how many records the state has folded already; from the end where it is not positive."""
    whole, _ = rebuild(Kept(records), BOOK)  # type: ignore[arg-type]
    place = place if place > 0 else len(records) + place
    early = Kept(records[:place])
    state = BookState(history_of(early, BOOK))  # type: ignore[arg-type]
    between = follow(state, early, BOOK, EMPTY_HEAD)  # type: ignore[arg-type]
    assert between == head_of(records[place - 1])
    assert follow(state, Kept(records), BOOK, between) == head_of(records[-1])  # type: ignore[arg-type]
    assert shown(state) == shown(whole)


def test_an_empty_book_has_no_state_and_no_head() -> None:
    state, head = rebuild(MemoryJournal(), BOOK)
    assert (state.book, head) == ("", EMPTY_HEAD)


def test_progress_is_told_after_each_page_and_at_the_end(journal: MemoryJournal) -> None:
    told: list[int] = []
    _, head = rebuild(journal, BOOK, told.append)
    assert told == [PAGE, 2 * PAGE, head.sequence]


# --- what stops it --------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [1, 2, PAGE, PAGE + 1, 2 * PAGE + 1])
@pytest.mark.parametrize("damage", ["changed", "missing", "twice", "renumbered", "hash"])
def test_the_record_where_the_chain_breaks_is_named_and_no_later_page_is_read(
    records: list[StoredRecord], place: int, damage: str
) -> None:
    index = place - 1
    stored = records[index]
    match damage:
        case "changed":
            records[index] = replace(stored, data=stored.data.replace(b'"schema":2', b'"schema":2 '))
        case "missing":
            del records[index]
        case "twice":
            records.insert(index, stored)
            place += 1
        case "renumbered":
            records[index] = replace(stored, sequence=stored.sequence + 10_000)
        case _:
            records[index] = replace(stored, hash="0" * 64)
    pages = verified(Kept(records), BOOK)  # type: ignore[arg-type]
    read = []
    with pytest.raises(ChainBroken) as caught:
        read += [len(page) for page in pages]
    assert caught.value.sequence == place
    with pytest.raises(ChainBroken):
        list(replayed(Kept(records), BOOK))  # type: ignore[arg-type]
    with pytest.raises(ChainBroken):
        rebuild(Kept(records), BOOK)  # type: ignore[arg-type]


def test_a_head_of_another_stream_is_followed_by_nothing(records: list[StoredRecord]) -> None:
    other = Head(records[9].sequence, "f" * 64)
    with pytest.raises(ChainBroken, match="breaks at sequence 11"):
        list(verified(Kept(records), BOOK, other))  # type: ignore[arg-type]


@pytest.mark.parametrize("place", [31, PAGE, PAGE + 7])
def test_a_record_that_the_chain_holds_and_that_does_not_follow_is_named(
    records: list[StoredRecord], place: int
) -> None:
    written = [decode_record(stored) for stored in records]
    event = written[place - 1].event
    written[place - 1] = replace(written[place - 1], event=replace(event, client_order_id="nobody's"))
    forged = list(chained(written, bytes(32)))
    with pytest.raises(ChainBroken, match=f"record {place} does not follow") as caught:
        rebuild(Kept(forged), BOOK)  # type: ignore[arg-type]
    assert caught.value.sequence == place
