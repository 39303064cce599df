"""Small MBO files made by hand or at random: what a venue may legally send, however odd.

``record`` and ``write_file`` make a file of given records. ``random_records`` plays a little exchange for
several instruments whose order ids overlap, and keeps to the one rule that makes a file coherent: plain
size arithmetic over ``A``, ``M`` and ``C`` never contradicts the fills before it.
"""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import databento_dbn as dbn

START_NS = 1_700_000_000_000_000_000
TICK = 250_000_000
PRICE = 4800 * 1_000_000_000
BLOCK_BYTES = 1 << 16


def record(
    action: str,
    order_id: int,
    size: int = 1,
    price: int = PRICE,
    side: str = "B",
    ts: int = 0,
    sequence: int = 0,
    instrument_id: int = 1,
) -> dbn.MBOMsg:
    """One record; ``ts`` is in nanoseconds after ``START_NS``, ``price`` in units of 1e-9."""
    return dbn.MBOMsg(
        publisher_id=1,
        instrument_id=instrument_id,
        ts_event=START_NS + ts,
        order_id=order_id,
        price=price,
        size=size,
        action=dbn.Action(action),
        side=dbn.Side(side),
        ts_recv=START_NS + ts,
        sequence=sequence,
    )


def metadata(
    names: Mapping[str, Iterable[int]], schema: str | None = "mbo", dataset: str = "GLBX.MDP3"
) -> dbn.Metadata:
    """Metadata that maps each name to the instrument ids it stands for."""
    mappings: Any = [
        SimpleNamespace(raw_symbol=name, intervals=[_interval(number) for number in ids])
        for name, ids in names.items()
    ]
    return dbn.Metadata(
        dataset=dataset,
        start=START_NS,
        stype_in=dbn.SType("raw_symbol"),
        stype_out=dbn.SType("instrument_id"),
        schema=None if schema is None else dbn.Schema(schema),
        symbols=list(names),
        mappings=mappings,
    )


def _interval(number: int) -> SimpleNamespace:
    return SimpleNamespace(start_date=date(2023, 11, 14), end_date=date(2023, 11, 15), symbol=str(number))


def write_file(
    path: Path,
    records: Iterable[Any],
    names: Mapping[str, Iterable[int]] | None = None,
    schema: str | None = "mbo",
) -> Path:
    """Write a DBN file; zstd-framed when the name ends in ``.zst``. Without ``names``, S1 is instrument 1."""
    data = bytes(metadata(names or {"S1": [1]}, schema)) + b"".join(bytes(item) for item in records)
    path.write_bytes(zstd_frame(data) if path.suffix == ".zst" else data)
    return path


def zstd_frame(data: bytes) -> bytes:
    """One valid zstd frame of stored blocks (RFC 8878): a window descriptor, no checksum."""
    blocks = [data[at : at + BLOCK_BYTES] for at in range(0, len(data), BLOCK_BYTES)] or [b""]
    last = len(blocks) - 1
    body = b"".join(
        (len(block) << 3 | (number == last)).to_bytes(3, "little") + block
        for number, block in enumerate(blocks)
    )
    return b"\x28\xb5\x2f\xfd" + b"\x00" + b"\x58" + body


@dataclass
class _Life:
    """An order as the little exchange sees it."""

    order_id: int
    instrument_id: int
    side: str
    price: int
    book: int = 0
    """What rests by plain arithmetic: fills do not change it, only the update that follows them."""
    unsettled: int = 0
    """Filled since the last update."""


def random_records(seed: int, steps: int = 60, instruments: int = 2) -> list[dbn.MBOMsg]:
    """A file's worth of records; the same for the same arguments.

    It has orders that trade before they are added or are never added, fills told twice, several fills of
    one sequence, icebergs that fill beyond what is known and show again, modifies that change the price
    or bring a finished order back, partial and full cancels, updates with and without their fill's time,
    sides left out, prints, clears, sizes of zero and talk of unknown orders.
    """
    exchange = _Exchange(random.Random(seed), instruments)
    for _ in range(steps):
        exchange.step()
    exchange.settle_all()
    return exchange.records


class _Exchange:
    def __init__(self, chance: random.Random, instruments: int) -> None:
        self.chance = chance
        self.instruments = instruments
        self.records: list[dbn.MBOMsg] = []
        self.lives: list[_Life] = []
        self.now = 0
        self.sequence = 1
        self.next_id = 100

    def step(self) -> None:
        self.now += self.chance.choice((0, 1, 1, 1000))
        self.sequence += self.chance.choice((0, 1, 1, 1))
        moves = (self.add, self.add, self.fill, self.fill, self.fill, self.reprice, self.cancel)
        rare = (self.trade, self.trade, self.revive, self.noise, self.adopt, self.overtake)
        self.chance.choice(moves * 2 + rare)()

    def tell(self, action: str, life: _Life, size: int, price: int | None = None, sequence: int = -1) -> None:
        """Write a record of the order; executions sometimes leave out the side."""
        hides = action in "FTC" and self.chance.random() < 0.15
        self.records.append(
            record(
                action,
                life.order_id,
                size,
                life.price if price is None else price,
                "N" if hides else life.side,
                self.now,
                self.sequence if sequence < 0 else sequence,
                life.instrument_id,
            )
        )

    def new_life(self) -> _Life:
        """An id of its own within the instrument; other instruments use the same ids."""
        self.next_id += 1
        instrument_id = self.chance.randrange(self.instruments) + 1
        side = self.chance.choice("BA")
        price = PRICE + self.chance.randrange(-8, 9) * TICK
        return _Life(self.next_id // self.instruments, instrument_id, side, price)

    def fresh(self) -> _Life | None:
        life = self.new_life()
        taken = {(other.instrument_id, other.order_id) for other in self.lives}
        return None if (life.instrument_id, life.order_id) in taken else life

    def some(self) -> _Life | None:
        return self.chance.choice(self.lives) if self.lives else None

    def add(self) -> None:
        if life := self.fresh():
            life.book = self.chance.randrange(1, 12)
            self.lives.append(life)
            self.tell("A", life, life.book)

    def adopt(self) -> None:
        """An order from before the file began: its first record is a modify, or a cancel of part of it."""
        if life := self.fresh():
            life.book = self.chance.randrange(1, 12)
            self.lives.append(life)
            if self.chance.random() < 0.3:
                self.tell("C", life, 1)
            self.tell("M", life, life.book)

    def overtake(self) -> None:
        """Executions that come before the add, or without one."""
        if life := self.fresh():
            self.lives.append(life)
            for _ in range(self.chance.randrange(1, 4)):
                self.tell(self.chance.choice("TTF"), life, self.chance.randrange(1, 6))
                self.sequence += self.chance.randrange(2)
            life.book = self.chance.choice((0, 3))
            if life.book:
                self.tell("A", life, life.book)

    def fill(self) -> None:
        """One or more fills of a resting order and, mostly at once, the book's update."""
        life = self.some()
        if life is None:
            return
        price = life.price + self.chance.choice((0, 0, 0, TICK))
        for _ in range(self.chance.choice((1, 1, 2, 3))):
            size = self.chance.randrange(1, 6)
            doubled = self.chance.random() < 0.25
            if doubled and self.chance.random() < 0.7:
                self.tell("T", life, size, price)
                doubled = False
            self.tell("F", life, size, price)
            life.unsettled += size
            if doubled:
                self.tell("T", life, size, price)
        if self.chance.random() < 0.8:
            self.settle(life, price)

    def trade(self) -> None:
        """The order's own aggression: a T that no F repeats."""
        if life := self.some():
            size = self.chance.randrange(1, 4)
            self.sequence += 1
            self.tell("T", life, size)
            life.unsettled += size
            self.settle(life, life.price)

    def settle(self, life: _Life, price: int) -> None:
        """The update after fills: what is left, another price, an iceberg's next slice, or the removal."""
        if not life.unsettled:
            return
        self.now += self.chance.choice((0, 0, 0, 1))
        left = max(life.book - life.unsettled, 0)
        life.unsettled = 0
        if left == 0 and self.chance.random() < 0.3:
            left = self.chance.randrange(1, 8)
        if left:
            life.price = self.chance.choice((life.price, life.price, price))
            life.book = left
            self.tell("M", life, left)
            return
        if life.book:
            self.tell("C", life, life.book)
        life.book = 0

    def reprice(self) -> None:
        life = self.some()
        if life is None or life.unsettled or not life.book:
            return
        life.price += self.chance.choice((-TICK, 0, TICK))
        life.book = self.chance.choice((life.book, life.book + 1, max(life.book - 1, 1)))
        self.tell("M", life, life.book)

    def cancel(self) -> None:
        life = self.some()
        if life is None or life.unsettled or not life.book:
            return
        size = life.book if self.chance.random() < 0.6 else self.chance.randrange(1, life.book + 1)
        life.book -= size
        if life.book == 0 and self.chance.random() < 0.1:
            self.tell("M", life, 0)
        else:
            self.tell("C", life, size)

    def revive(self) -> None:
        """A finished order rests again."""
        life = self.some()
        if life is None or life.unsettled or life.book:
            return
        life.book = self.chance.randrange(1, 6)
        self.tell(self.chance.choice("MMA"), life, life.book)

    def noise(self) -> None:
        """What touches no order, and a cancel of an order that nothing else ever names."""
        life = _Life(self.chance.choice((0, 7)), 1, "N", PRICE)
        if life.order_id:
            self.tell("C", life, 1)
            return
        self.tell(self.chance.choice("TRN"), life, 3)
        if known := self.some():
            self.tell(self.chance.choice("ACFT"), known, 0, sequence=0)

    def settle_all(self) -> None:
        for life in self.lives:
            self.settle(life, life.price)
