"""What holds for books whatever happens, shown of the naive ones on random histories."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from books_support.compare import LotSeen, PositionSeen, Seen, differences, first_difference
from books_support.hand_written import buy, closing, numbered, sell
from books_support.naive_books import BOOK, CONTRACTS, Line, NaiveBooks
from books_support.naive_holding import Illegal, sign_of
from books_support.random_history import History, histories, random_history, text_of

PLAIN = ("instrument", "fill")
TRADES = ("instrument", "fill", "bust", "correction", "fee")
LINE_TYPES = (
    *("instrument", "fill", "fee", "bust", "correction", "transfer", "cash_flow", "split", "symbol_change"),
    *("closing", "exercise", "adjustment", "mark", "rate"),
)
FEW = settings(max_examples=100, deadline=None)


def unaccounted(books: NaiveBooks) -> dict[str, Fraction]:
    """By currency: cash and the cost of what is held, less all that they came from."""
    left: dict[str, Fraction] = {}

    def add(currency: str, amount: Fraction) -> None:
        left[currency] = left.get(currency, Fraction(0)) + amount

    for currency in {*books.cash, *books.capital, *books.adjusted}:
        add(currency, books.cash[currency] - books.capital[currency] - books.adjusted[currency])
    for (owner, _, _, currency), amount in books.flows.items():
        add(currency, -amount if owner == BOOK else Fraction(0))
    for (owner, symbol, _), held in books.holdings.items():
        if owner == BOOK:
            paid_in_cash = books.instruments[symbol]["kind"] not in CONTRACTS
            add(books.currency_of(symbol), held.basis * paid_in_cash - held.realised + held.fees_in_kind)
            for currency, fee in held.fees.items():
                add(currency, fee)
    for costs in (books.transferred_cost, books.adjusted_cost):
        for symbol, cost in costs.items():
            if books.instruments[symbol]["kind"] not in CONTRACTS:
                add(books.currency_of(symbol), -cost)
    return {currency: amount for currency, amount in left.items() if amount}


@FEW
@given(histories())
def test_nothing_comes_from_nowhere(history: History) -> None:
    assert unaccounted(history.books()) == {}, history.lines


@pytest.mark.parametrize("extreme", [False, True])
def test_nothing_comes_from_nowhere_in_long_histories(extreme: bool) -> None:
    for seed in range(25):
        history = random_history(seed, 80, extreme=extreme)
        assert unaccounted(history.books()) == {}, history.lines


@FEW
@given(histories(extreme=True, steps=20))
def test_telling_everything_again_changes_nothing(history: History) -> None:
    books = history.books()
    held = books.seen()
    books.replay()
    assert differences(held, books.seen()) == [], history.lines


# --- all methods earn the same ---


def flattened(lines: Iterable[Line], method: str) -> Seen:
    """The books after these lines and a closing of everything."""
    books = NaiveBooks(method)
    for line in lines:
        books.take(line)
    held = sorted({key[1] for key, one in books.holdings.items() if key[0] == BOOK and one.quantity})
    for symbol in held:
        books.take(closing("10.5", symbol) | {"id": f"flat {symbol}", "time": "2027-01-01T00:00:00Z"})
    return books.seen()


@FEW
@given(histories(methods=["fifo"], modes=["netting"], without=set(LINE_TYPES) - set(TRADES)))
def test_all_methods_earn_the_same_once_flat(history: History) -> None:
    """The cost of units that went as fees depends on the method, and the result with it; not their sum."""
    first = flattened(history.lines, "fifo")
    for method in ("average", "lifo", "highest_cost", "specific_lot"):
        other = flattened(history.lines, method)
        assert first.cash == other.cash
        for symbol, position in first.positions.items():
            again = other.positions[symbol]
            assert not again.quantity
            assert not again.basis
            assert earned(position) == earned(again), (method, symbol, history.lines)


def earned(position: PositionSeen) -> Decimal:
    with localcontext(prec=400):
        return position.realised - position.fees_in_kind


# --- flips ---


def parts_of(line: Line, held: Fraction) -> list[Line]:
    """A fill that flips as two: what closes, and what opens, with the fee."""
    quantity = Fraction(line.get("quantity", 0))
    against = line["type"] == "fill" and sign_of(held) == (-1 if line["side"] == "buy" else 1)
    if not against or quantity <= abs(held):
        return [line]
    both = {name: value for name, value in line.items() if name not in ("fee", "fee_currency", "lots")}
    fee = {name: line[name] for name in ("fee", "fee_currency") if name in line}
    lots = {name: line[name] for name in ("lots",) if name in line}
    return [
        both | lots | {"id": line["id"] + "a", "quantity": text_of(abs(held))},
        both | fee | {"quantity": text_of(quantity - abs(held))},
    ]


@FEW
@given(histories())
def test_a_flip_is_a_close_and_an_open(history: History) -> None:
    at_once = NaiveBooks(history.method, history.mode)
    in_parts = NaiveBooks(history.method, history.mode)
    told = {line.get("id", line["symbol"]): line for line in history.lines if line["type"] in PLAIN}
    for whole in told.values():
        line = {name: value for name, value in whole.items() if name != "strategy"}
        held = at_once.holdings[BOOK, line["symbol"], at_once.side_of(line)].quantity
        try:
            at_once.take(line)
        except Illegal:  # it needs what other lines did
            continue
        for part in parts_of(line, held):
            in_parts.take(part)
    inverse = {symbol for symbol, one in at_once.instruments.items() if one["kind"] == "inverse"}
    first, second = exactly_known(at_once.seen(), inverse), exactly_known(in_parts.seen(), inverse)
    assert differences(first, second) == [], in_parts.lines


def exactly_known(seen: Seen, rounded: set[str]) -> Seen:
    """Without results whose parts round otherwise than the whole, and the cash that they are in."""
    positions = {
        key: replace(position, realised=Decimal(0)) if key.partition("/")[0] in rounded else position
        for key, position in seen.positions.items()
    }
    cash = {currency: amount for currency, amount in seen.cash.items() if currency != "BTC" or not rounded}
    return Seen(positions, cash)


# --- busts and corrections ---


@FEW
@given(histories(), st.integers(0, 30))
def test_a_bust_is_as_if_it_had_never_happened(history: History, which: int) -> None:
    fills = [line for line in history.lines if line["type"] == "fill"]
    if not fills:
        return
    gone = fills[which % len(fills)]["id"]
    busted, never = history.books(), NaiveBooks(history.method, history.mode)
    try:
        busted.take({"type": "bust", "execution": gone})
        for line in history.lines:
            if line.get("id") != gone and line.get("execution") != gone:
                never.take(line)
    except Illegal:
        return
    assert differences(busted.seen(), never.seen()) == [], (gone, history.lines)


@FEW
@given(histories(), st.integers(0, 30))
def test_a_correction_is_as_if_it_had_always_been_so(history: History, which: int) -> None:
    fills = [line for line in history.lines if line["type"] == "fill"]
    if not fills:
        return
    wrong = fills[which % len(fills)]
    terms = {"quantity": "4", "price": "10.25", "side": "sell"}
    corrected, always = history.books(), NaiveBooks(history.method, history.mode)
    try:
        corrected.take({"type": "correction", "execution": wrong["id"], **terms})
        for line in history.lines:
            if line["type"] in ("bust", "correction", "fee") and line["execution"] == wrong["id"]:
                return
            if line == wrong and always.lines and any(one.get("id") == line["id"] for one in always.lines):
                continue
            always.take(line | terms if line == wrong else line)
    except Illegal:
        return
    assert differences(corrected.seen(), always.seen()) == [], (wrong, history.lines)


# --- the tools ---


def test_histories_hold_everything_that_can_happen() -> None:
    """Sixty seeds have every line, and the cases that books go wrong in."""
    found: Counter[str] = Counter()
    for seed in range(60):
        history = random_history(seed, 40)
        found.update(line["type"] for line in history.lines)
        books = NaiveBooks(history.method, history.mode)
        for line in history.lines:
            before = {key: held.quantity for key, held in books.holdings.items()}
            in_kind = {key: held.fees_in_kind for key, held in books.holdings.items()}
            books.take(line)
            for key, held in books.holdings.items():
                was = before.get(key, Fraction(0))
                found["flip"] += sign_of(was) * sign_of(held.quantity) < 0
                found["flat"] += was != 0 and held.quantity == 0
                found["in kind"] += held.fees_in_kind != in_kind.get(key, 0)
                found["short"] += held.quantity < 0
            found["lots named"] += "lots" in line
            found["cash in lieu"] += "cash" in line
            found["rebate"] += str(line.get("fee", "")).startswith("-")
            found[f"kind {books.instruments[line['symbol']]['kind']}" if "symbol" in line else ""] += 1
    kinds = {f"kind {kind}" for kind in ("spot", "equity", "linear", "inverse", "option")}
    cases = {"flip", "flat", "in kind", "short", "lots named", "cash in lieu", "rebate", *kinds}
    assert {name for name in cases.union(LINE_TYPES) if found[name] < 10} == set(), found


def test_a_seed_gives_the_same_history_again() -> None:
    assert random_history(7) == random_history(7)
    assert random_history(7).lines != random_history(8).lines


@given(histories(steps=10, extreme=True))
@settings(max_examples=20, deadline=None)
def test_numbers_have_at_most_eighteen_digits_on_each_side(history: History) -> None:
    for line in history.lines:
        for name in ("quantity", "price", "fee", "amount", "cost", "cash", "multiplier"):
            before, _, after = str(line.get(name, "0")).lstrip("-").partition(".")
            assert len(before) <= 18, line
            assert len(after) <= 18, line


def test_what_differs_is_listed() -> None:
    position = PositionSeen(quantity=Decimal(1), basis=Decimal(9), fees={"USD": Decimal(2)})
    lot = LotSeen("1", Decimal(1), Decimal(9), 0)
    first = Seen({"A": position}, {"USD": Decimal(5), "EUR": Decimal(0)}, {"a": {"A": position}})
    assert differences(first, first) == []
    assert differences(first, replace(first, cash={"USD": Decimal("5.0")})) == []
    assert differences(first, replace(first, cash={})) == ["cash[USD]: expected 5, actual 0"]
    assert differences(first, replace(first, positions={})) == [
        "positions[A].basis: expected 9, actual 0",
        "positions[A].fees[USD]: expected 2, actual 0",
        "positions[A].quantity: expected 1, actual 0",
    ]
    assert len(differences(first, replace(first, strategies={}), ("naive", "real"))) == 3
    with_lots = replace(first, positions={"A": replace(position, lots=(lot,))})
    assert differences(first, with_lots) == []  # the first does not know lots
    moved = replace(first, positions={"A": replace(position, lots=(lot._replace(opened=1),))})
    assert [line.partition(":")[0] for line in differences(with_lots, moved)] == ["positions[A].lots[0]"]


def test_what_is_not_kept_is_not_compared() -> None:
    full = Seen({}, {}, {"a": {"A": PositionSeen(quantity=Decimal(1))}}, capital={"USD": Decimal(1)})
    assert differences(full, Seen({}, {})) == []
    assert differences(full, Seen({}, {}, capital={})) == ["capital[USD]: expected 1, actual 0"]


def test_the_line_that_parts_them_is_named() -> None:
    lines = numbered(buy("1", "10"), buy("1", "12"), sell("1", "20"), buy("1", "9"))
    assert first_difference(lines, NaiveBooks("fifo"), NaiveBooks("fifo")) == ""
    found = first_difference(lines, NaiveBooks("fifo"), NaiveBooks("lifo"))
    assert found.startswith("after line 4: ")  # the instrument is the first
    assert "positions[BTC-USD].realised: expected 10, actual 8" in found
