"""What the books should come to, as simply as can be: dicts of fractions, no events, no accounts.

It is written from the meaning of the lines alone and shares nothing with the ledgers. A bust, a correction or
a changed fee replays every line from the start, the fill at its old place. ``Illegal`` is raised for what the
contract refuses, and for what it leaves open.
"""

from bisect import insort_right
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, Final

from books_support.compare import PositionSeen, Seen
from books_support.naive_holding import ZERO, Holding, Illegal, Lot, decimal_of, need, rounded, sign_of

Line = dict[str, Any]
Owner = str  # a strategy, or the whole book
Key = tuple[Owner, str, str]  # whose, symbol, position side
Notional = Callable[[Fraction], Fraction]
BOOK: Final = "(the whole book)"
CHANGES: Final = ("fee", "bust", "correction")
CONTRACTS: Final = ("linear", "inverse")
SUMS: Final = ("cash", "capital", "transferred_cost", "adjusted", "adjusted_cost")


def nanoseconds(time: str | int) -> int:
    if isinstance(time, int):
        return time
    since = datetime.fromisoformat(time) - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(microseconds=1) * 1000


class NaiveBooks:
    """One book, of a cost method and a mode (``netting`` or ``hedging``)."""

    def __init__(self, method: str = "average", mode: str = "netting") -> None:
        self.method = method
        self.hedging = mode == "hedging"
        self.lines: list[Line] = []
        self.start()

    def start(self) -> None:
        self.first_time = True  # false when lines are told again: what they named may be gone by then
        self.instruments: dict[str, Line] = {}
        self.holdings: dict[Key, Holding] = defaultdict(lambda: Holding(self.method))
        self.cash: dict[str, Fraction] = defaultdict(Fraction)
        self.flows: dict[tuple[Owner, str, str, str], Fraction] = defaultdict(Fraction)
        self.capital: dict[str, Fraction] = defaultdict(Fraction)
        self.transferred_cost: dict[str, Fraction] = defaultdict(Fraction)
        self.adjusted: dict[str, Fraction] = defaultdict(Fraction)
        self.adjusted_cost: dict[str, Fraction] = defaultdict(Fraction)
        self.marks: dict[str, Fraction] = {}

    # --- lines, and lines told again ---

    def take(self, told: Line) -> None:
        """Book one line. The same line told again is nothing new.

        Raises:
            Illegal: it cannot be; the books are as they were.
        """
        line = dict(told)
        named = [one for one in self.lines if line.get("id") and self.name_of(one) == self.name_of(line)]
        if named:
            need(self.as_told(named[0]) == line, "the same id with other content")
            return
        self.lines.append(line)
        try:
            if line["type"] in CHANGES:
                self.replay()
            else:
                self.apply(line)
            self.check()
        except Illegal:
            self.lines.pop()
            self.replay()
            raise

    @staticmethod
    def name_of(line: Line) -> tuple[str, str]:
        return line["type"], line.get("id", "")

    @staticmethod
    def as_told(line: Line) -> Line:
        return {name: value for name, value in line.items() if not name.startswith("was ")}

    def replay(self) -> None:
        self.start()
        self.first_time = False
        fills = self.fills_as_changed()
        for line in self.lines:
            if line["type"] == "fill":
                if line["id"] in fills:
                    self.apply(fills[line["id"]])
            elif line["type"] not in CHANGES:
                self.apply(line)
        self.first_time = True

    def fills_as_changed(self) -> dict[str, Line]:
        fills: dict[str, Line] = {}
        for line in self.lines:
            if line["type"] == "fill":
                fills[line["id"]] = dict(line)
            elif line["type"] in CHANGES:
                need(line["execution"] in fills, "no such execution")
                if line["type"] == "bust":
                    del fills[line["execution"]]
                    continue
                changed = ("quantity", "price", "side", "fee", "fee_currency")
                fills[line["execution"]] |= {name: line[name] for name in changed if name in line}
        return fills

    def apply(self, line: Line) -> None:
        getattr(self, f"_{line['type']}")(line)

    def check(self) -> None:
        """Strategies add up to the book, lots to their position; a flat position has no basis."""
        totals: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
        for (owner, symbol, side), held in self.holdings.items():
            totals[symbol, side] += held.quantity if owner != BOOK else -held.quantity
            assert held.quantity or not held.basis
            if self.method != "average":
                assert sum(lot.quantity for lot in held.lots) == held.quantity
                assert sum(lot.basis for lot in held.lots) == held.basis
        need(not any(totals.values()), "strategies do not add up")

    # --- what lines share ---

    def instrument(self, symbol: str) -> Line:
        need(symbol in self.instruments, "no such instrument")
        return self.instruments[symbol]

    def currency_of(self, symbol: str) -> str:
        instrument = self.instrument(symbol)
        currency: str = instrument.get("settlement_currency") or instrument["currency"]
        return currency

    def side_of(self, line: Line) -> str:
        return line.get("position_side", "net") if self.hedging else "net"

    def notional(self, symbol: str, price: Fraction) -> Notional:
        instrument = self.instrument(symbol)
        multiplier = Fraction(instrument.get("multiplier", 1))
        if instrument["kind"] == "inverse":
            return lambda quantity: rounded(-quantity * multiplier / price)
        return lambda quantity: quantity * price * multiplier

    def pay(self, symbol: str, notional: Fraction, realised: Fraction) -> None:
        contracts = self.instrument(symbol)["kind"] in CONTRACTS
        self.cash[self.currency_of(symbol)] += realised if contracts else -notional

    def trade(
        self, key: Key, quantity: Fraction, notional: Notional, line: Line
    ) -> tuple[Fraction, Fraction, Lot | None]:
        """Close what there is to close, open the rest; the notional, the result, the lot that was opened."""
        held = self.holdings[key]
        against = sign_of(held.quantity) == -sign_of(quantity)
        closing = min(abs(quantity), abs(held.quantity)) if against else ZERO
        opening = quantity - sign_of(quantity) * closing
        paid = notional(quantity)
        paid_to_open = notional(opening) if opening else ZERO
        realised = ZERO
        named = self.named_lots(key, line, closing)
        if closing:
            realised = -(paid - paid_to_open + held.release(closing, named))
            held.realised += realised
        if opening:
            held.extend(Lot(line["id"], opening, paid_to_open, nanoseconds(line["time"])))
        opened = next((lot for lot in held.lots if opening and lot.name == line["id"]), None)
        return paid, realised, opened

    def named_lots(self, key: Key, line: Line, closing: Fraction) -> list[tuple[Lot, Fraction]]:
        """The lots that a line names. A strategy may not hold them, nor the book after a bust."""
        if self.method != "specific_lot" or "lots" not in line:
            return []
        by_name = {lot.name: lot for lot in self.holdings[key].lots}
        named = [(one["lot"], Fraction(one["quantity"])) for one in line["lots"]]
        if self.first_time and key[0] == BOOK:
            need(sum(quantity for _, quantity in named) <= closing, "more lots than are closed")
            for name, quantity in named:
                need(name in by_name and abs(by_name[name].quantity) >= quantity, "no such lot")
        return [(by_name[name], quantity) for name, quantity in named if name in by_name]

    def charge(self, keys: list[Key], line: Line) -> None:
        """A fee in money."""
        fee, symbol = Fraction(line.get("fee", 0)), keys[0][1]
        currency = line.get("fee_currency") or self.currency_of(symbol)
        if not fee:
            return
        need(not self.in_kind(symbol, currency), "units as fee, but not of a fill")
        self.cash[currency] -= fee
        for key in keys:
            self.holdings[key].fees[currency] += fee

    def charge_sizes(self, symbol: str, sizes: dict[Key, Fraction], line: Line) -> None:
        """A fee in money of what was closed: the book's, and again the strategies', by sizes."""
        fee = Fraction(line.get("fee", 0))
        currency = line.get("fee_currency") or self.currency_of(symbol)
        if not fee:
            return
        need(not self.in_kind(symbol, currency), "units as fee, but not of a fill")
        self.cash[currency] -= fee
        for of_book in (True, False):
            keys = sorted(key for key in sizes if (key[0] == BOOK) is of_book)
            keys.sort(key=lambda key: ("net", "long", "short").index(key[2]))
            if of_book and not keys:  # the book is flat, and what strategies hold ends
                self.holdings[BOOK, symbol, self.side_of(line)].fees[currency] += fee
            left, whole = fee, sum(sizes[key] for key in keys)
            for key in keys:
                digits = {"USD": 2, "EUR": 2}.get(currency, 8)
                part = left if key == keys[-1] else rounded(fee * sizes[key] / whole, digits)
                left -= part
                self.holdings[key].fees[currency] += part

    def in_kind(self, symbol: str, currency: str) -> bool:
        instrument = self.instrument(symbol)
        return instrument["kind"] == "spot" and currency == instrument.get("base_currency")

    def charge_in_kind(self, key: Key, line: Line, opened: Lot | None) -> None:
        """Units that go as a fee take their cost with them; units that come, or are owed, cost nothing."""
        held, fee = self.holdings[key], Fraction(line["fee"])
        gone = min(abs(fee), abs(held.quantity)) if sign_of(fee) == sign_of(held.quantity) else ZERO
        held.fees_in_kind += held.release(gone, [(opened, gone)] if opened else [])
        come = sign_of(fee) * gone - fee
        if come and opened and opened.quantity:
            held.quantity += come
            opened.quantity += come
        elif come:
            held.extend(Lot(line["id"], come, ZERO, nanoseconds(line["time"])))

    def aimed_at(self, line: Line, side: str) -> dict[Owner, Fraction]:
        """Whose units a closing or an exercise is about: so many of each owner, signed as they are held."""
        symbol, strategy = line["symbol"], line.get("strategy", "")
        if "quantity" not in line and "strategy" not in line:
            owners = [BOOK, *(owner for owner, held, on in self.holdings if (held, on) == (symbol, side))]
            return {owner: self.holdings[owner, symbol, side].quantity for owner in owners}
        held = self.holdings[strategy, symbol, side].quantity
        amount = Fraction(line.get("quantity", abs(held)))
        need(sign_of(held) == line.setdefault(f"was {side}", sign_of(held)), "long has become short")
        need(amount <= abs(held), "more than the strategy holds")
        whole = sign_of(self.holdings[BOOK, symbol, side].quantity)
        need(strategy or whole == sign_of(held), "of the book, or of nobody?")
        return dict.fromkeys((BOOK, strategy), sign_of(held) * amount)

    # --- the lines ---

    def _instrument(self, line: Line) -> None:
        self.instruments[line["symbol"]] = line

    def _fill(self, line: Line) -> None:
        symbol, strategy = line["symbol"], line.get("strategy", "")
        quantity = Fraction(line["quantity"]) * (1 if line["side"] == "buy" else -1)
        notional = self.notional(symbol, Fraction(line["price"]))
        in_kind = self.in_kind(symbol, line.get("fee_currency", ""))
        keys: list[Key] = [(owner, symbol, self.side_of(line)) for owner in (BOOK, strategy)]
        for key in keys:
            paid, realised, opened = self.trade(key, quantity, notional, line)
            if key[0] == BOOK:
                self.pay(symbol, paid, realised)
            if in_kind and Fraction(line.get("fee", 0)):
                self.charge_in_kind(key, line, opened)
        if not in_kind:
            self.charge(keys, line)

    def _transfer(self, line: Line) -> None:
        if "currency" in line:
            self.cash[line["currency"]] += Fraction(line["amount"])
            self.capital[line["currency"]] += Fraction(line["amount"])
            return
        symbol, quantity = line["symbol"], Fraction(line["quantity"])
        self.instrument(symbol)
        for owner in (BOOK, line.get("strategy", "")):
            key = (owner, symbol, self.side_of(line))
            held = self.holdings[key]
            if sign_of(held.quantity) in (0, sign_of(quantity)):
                need("cost" in line, "units coming in need a cost")
                cost = Fraction(line["cost"])
                held.extend(Lot(line["id"], quantity, cost, nanoseconds(line.get("opened") or line["time"])))
            else:
                need("cost" not in line or line.get("strategy"), "what goes has a cost already")
                cost = -held.release(abs(quantity), self.named_lots(key, line, abs(quantity)))
            if owner == BOOK:
                self.transferred_cost[symbol] += cost

    def _cash_flow(self, line: Line) -> None:
        amount = Fraction(line["amount"])
        self.cash[line["currency"]] += amount
        for owner in (BOOK, line.get("strategy", "")):
            self.flows[owner, line.get("symbol", ""), line["flow"], line["currency"]] += amount

    def _split(self, line: Line) -> None:
        symbol, cash = line["symbol"], Fraction(line.get("cash", 0))
        ratio = Fraction(line["new"]) / Fraction(line["old"])
        sold = 0
        for side in ("net", "long", "short"):
            own = self.holdings[BOOK, symbol, side]
            exact, after = own.quantity * ratio, rounded(own.quantity * ratio, 18)
            if "whole" in line:
                step = Fraction(line["whole"])
                after = exact - sign_of(exact) * (abs(exact) % step)
            fraction = exact - after if "whole" in line else ZERO
            sold += bool(fraction)
            if fraction:
                self.pay(symbol, -cash, cash - self.split(own, ratio, after, fraction, cash))
            else:
                self.split(own, ratio, after, ZERO, ZERO)
            theirs = {
                one: held for (one, named, on), held in self.holdings.items() if (named, on) == (symbol, side)
            }
            del theirs[BOOK]
            same_way = [one for one in theirs if theirs[one].quantity * exact > 0]
            largest = max(same_way, key=lambda one: (abs(theirs[one].quantity), not one), default=None)
            for one, held in theirs.items():
                if one != largest and held.quantity:
                    kept = rounded(held.quantity * ratio, 18)
                    after -= kept
                    self.split(held, ratio, kept, ZERO, ZERO)
            if largest is not None:
                self.split(
                    theirs[largest], ratio, after, fraction, cash, line["id"], nanoseconds(line["time"])
                )
        need(sold or not cash, "cash for no fraction")
        need(sold <= 1, "whose cash is it?")

    @staticmethod
    def split(
        held: Holding,
        ratio: Fraction,
        after: Fraction,
        fraction: Fraction,
        cash: Fraction,
        name: str = "",
        opened: int = 0,
    ) -> Fraction:
        """Units become ``after``; a fraction that is sold releases its cost, which is returned."""
        if not held.quantity:
            return ZERO
        need(after or fraction, "something is split into nothing")
        released = ZERO
        if after * held.quantity < 0:  # a strategy's, that gave up more than it had
            released = held.basis
            held.lots = [Lot(name, after, ZERO, opened)] if held.method != "average" else []
        elif held.method == "average" and fraction:
            released = rounded(held.basis * fraction / (held.quantity * ratio)) if after else held.basis
        elif held.lots:
            left = rounded(held.quantity * ratio, 18) if fraction else after
            left = after if abs(left) < abs(after) else left
            held.quantity = left
            for lot in held.lots[:-1]:
                lot.quantity = rounded(lot.quantity * ratio, 18)
                left -= lot.quantity
            held.lots[-1].quantity = left
            need(all(lot.quantity for lot in held.lots), "a lot is split into nothing")
            amount = abs(held.quantity - after)
            for lot in held.by_method():
                taken = min(amount, abs(lot.quantity))
                released += held.take_from(lot, taken)
                amount -= taken
        held.quantity = after
        held.basis -= released
        held.realised += (cash - released) if fraction else 0
        return released

    def _symbol_change(self, line: Line) -> None:
        symbol, new = line["symbol"], line["new_symbol"]
        old_terms = self.instrument(symbol)
        terms = self.instruments.setdefault(new, old_terms | {"symbol": new})
        same = ("kind", "currency", "settlement_currency", "multiplier", "base_currency")
        need(all(terms.get(name) == old_terms.get(name) for name in same), "another kind of instrument")
        for owner, named, side in [key for key in self.holdings if key[1] == symbol]:
            old, held = self.holdings[owner, named, side], self.holdings[owner, new, side]
            need(sign_of(old.quantity) * sign_of(held.quantity) >= 0, "long meets short")
            held.quantity += old.quantity
            held.basis += old.basis
            for lot in old.lots:
                insort_right(held.lots, lot, key=lambda lot: lot.opened)
            old.quantity, old.basis, old.lots = ZERO, ZERO, []

    def _closing(self, line: Line) -> None:
        symbol = line["symbol"]
        notional = self.notional(symbol, Fraction(line["price"]))
        every_side = "position_side" not in line and "quantity" not in line
        sides = ("net", "long", "short") if self.hedging and every_side else (self.side_of(line),)
        found, sizes = False, dict[Key, Fraction]()
        for side in sides:
            for owner, held in self.aimed_at(line, side).items():
                if not held:
                    continue
                found = True
                sizes[owner, symbol, side] = abs(held)
                paid, realised, _ = self.trade((owner, symbol, side), -held, notional, line)
                if owner == BOOK:
                    self.pay(symbol, paid, realised)
        need(found or not self.first_time, "nothing to close")
        self.charge_sizes(symbol, sizes, line)

    def _exercise(self, line: Line) -> None:
        symbol = line["symbol"]
        option = self.instrument(symbol)
        underlying = line.get("underlying") or option["underlying"]
        need(self.instrument(underlying)["kind"] in ("spot", "equity"), "what is the premium of a contract?")
        strike = Fraction(line.get("price") or option["strike"])
        each = Fraction(option.get("multiplier", 1)) * (1 if option["right"] == "call" else -1)
        every_side = self.hedging and "position_side" not in line and "quantity" not in line
        found, sizes = False, dict[Key, Fraction]()
        for side in ("net", "long", "short") if every_side else (self.side_of(line),):
            for owner, contracts in self.aimed_at(line, side).items():
                held = self.holdings[owner, symbol, side]
                need(sign_of(held.quantity) == sign_of(contracts), "long for one, short for the other")
                if not contracts:
                    continue
                found = True
                sizes[owner, symbol, side] = abs(contracts)
                units, premium = contracts * each, held.release(abs(contracts))

                def notional(
                    part: Fraction, units: Fraction = units, premium: Fraction = premium
                ) -> Fraction:
                    share = premium if part == units else rounded(premium * part / units)
                    return part * strike + share

                self.trade((owner, underlying, "net"), units, notional, line)
                if owner == BOOK:
                    self.cash[self.currency_of(underlying)] -= units * strike
        need(found or not self.first_time, "nothing to exercise")
        self.charge_sizes(symbol, sizes, line)

    def _adjustment(self, line: Line) -> None:
        if "currency" in line:
            self.cash[line["currency"]] += Fraction(line["amount"])
            self.adjusted[line["currency"]] += Fraction(line["amount"])
            return
        symbol, quantity, cost = line["symbol"], Fraction(line["quantity"]), Fraction(line["cost"])
        self.instrument(symbol)
        self.adjusted_cost[symbol] += cost
        for owner in (BOOK, ""):
            held = self.holdings[owner, symbol, "net"]
            if quantity and sign_of(held.quantity) in (0, sign_of(quantity)):
                held.extend(Lot(line["id"], quantity, cost, nanoseconds(line["time"])))
                continue
            rest = cost + held.release(abs(quantity))
            need(held.quantity or not rest, "a basis of nothing")
            held.basis += rest
            left, whole = rest, sum(abs(lot.quantity) for lot in held.lots)
            for lot in held.lots:
                part = left if lot is held.lots[-1] else rounded(rest * abs(lot.quantity) / whole)
                left -= part
                lot.basis += part

    def _mark(self, line: Line) -> None:
        self.marks[line["symbol"]] = Fraction(line["price"])

    def _rate(self, line: Line) -> None:
        pass  # no answer here is converted

    # --- answers ---

    def unrealised(self, key: Key) -> Fraction | None:
        mark, held = self.marks.get(key[1]), self.holdings[key]
        return None if mark is None else self.notional(key[1], mark)(held.quantity) - held.basis

    def seen(self) -> Seen:
        positions: dict[Owner, dict[str, PositionSeen]] = defaultdict(dict)
        for (owner, symbol, side), held in self.holdings.items():
            name = symbol if side == "net" else f"{symbol}/{side}"
            positions[owner][name] = held.seen(self.unrealised((owner, symbol, side)))
        book, others = positions.pop(BOOK, {}), positions
        flows = {key: decimal_of(amount) for key, amount in self.flows.items()}
        return Seen(
            positions=book,
            strategies=others,
            flows={key[1:]: amount for key, amount in flows.items() if key[0] == BOOK},
            strategy_flows={key: amount for key, amount in flows.items() if key[0] != BOOK},
            **{name: {key: decimal_of(value) for key, value in getattr(self, name).items()} for name in SUMS},
        )
