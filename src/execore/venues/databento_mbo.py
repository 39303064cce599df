"""Databento market-by-order files (DBN, plain or zstd) read as the drop copy of one account.

Every order of the file is taken for ours. The records say sizes, not states: what they mean is this table,
and the orders' quantities, leaves and states are the core's to work out.

===========  ==================================================================================
``A``        AcknowledgeReport: it rests with ``size`` at ``price``
``F``        FillReport: the resting order's execution
``T``        FillReport: the aggressor's, unless the order has an ``F`` of the same ``sequence``
``M``        AmendReport: its leaves are ``size`` at ``price``, unless only a fill's book update
``C``        CancelReport of ``size``, unless only the book update of a fill that left nothing
===========  ==================================================================================

A record without an order id, a clear (``R``), a ``N`` and a size of zero touch no order. The file is read
twice: what ``T`` and ``N`` sides mean can depend on later records, and nothing is told of a damaged file.
"""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from execore.model.money import EXACT, canonical
from execore.model.reports import AcknowledgeReport, AmendReport, CancelReport, FillReport, VenueReport
from execore.model.vocabulary import OrderType, Side
from execore.venues.dbn_file import damaged_file, mbo_records

if TYPE_CHECKING:
    from databento_dbn import MBOMsg, Metadata

OrderKey = tuple[int, int]
"""Instrument id and order id: order ids are relied on within one instrument only."""

ExecutionKey = tuple[int, int, int]
"""Instrument id, order id and sequence; one key can stand for several executions."""

_NO_PRICE: Final = (1 << 63) - 1
_SIDES: Final = {"B": Side.BUY, "A": Side.SELL}


class MboFile:
    """An intact MBO file: what is in it, and the reports it amounts to.

    Attributes:
        path: where it is.
        dataset: Databento's name of the venue and feed, like ``GLBX.MDP3``.
        symbols: the instruments that its records name, in order of appearance.
        records: how many there are.
        duplicates: ``T`` records of an execution that an ``F`` tells as well; they make no report.
        untouched: records that touch no order.
    """

    def __init__(self, path: Path, dataset: str, names: dict[int, str], survey: "_Survey") -> None:
        self.path = path
        self.dataset = dataset
        self.symbols = tuple(names.values())
        self.records = survey.records
        self.duplicates = sum(key in survey.fills for key in survey.trades)
        self.untouched = survey.untouched
        self._names = names
        self._survey = survey

    def reports(self) -> Iterator[VenueReport]:
        """What the records tell, in file order; ``ts_ns`` is ``ts_event``. Each call reads the file anew.

        Raises:
            InputFileError: the file was changed or removed since ``read_mbo``.
        """
        codec = _Codec(f"venue:{self.dataset}", self._names, self._survey)
        records = mbo_records(self.path)
        next(records)
        for record in records:
            report = codec.report_of(record)
            if report is not None:
                yield report

    def resting(self) -> dict[tuple[str, str], Decimal]:
        """What rests at the end by plain size arithmetic, by symbol and venue order id: for a cross-check.

        ``A`` and ``M`` set an order's size, ``C`` subtracts; fills do not count, as the book's own records
        follow them. It shares nothing with ``reports``.

        Raises:
            InputFileError: the file was changed or removed since ``read_mbo``.
        """
        sizes: dict[OrderKey, int] = {}
        records = mbo_records(self.path)
        next(records)
        for record in records:
            action, key = str(record.action), (record.instrument_id, record.order_id)
            if action in ("A", "M"):
                sizes[key] = record.size
            elif action == "C":
                sizes[key] = sizes.get(key, 0) - record.size
        return {(self._names[key[0]], str(key[1])): _size(size) for key, size in sizes.items() if size > 0}


def read_mbo(path: Path | str) -> MboFile:
    """Read a Databento MBO file through once, and return it ready to give its reports.

    Args:
        path: a ``.dbn`` or ``.dbn.zst`` file of schema ``mbo``; which it is shows from its first bytes.

    Raises:
        InputFileError: the file is missing, a directory, unreadable, foreign, of another schema, cut
            short, damaged, or has an execution without a price. A plain ``.dbn`` that was cut exactly
            between two records cannot be told from a whole one: the format has neither count nor end.
        MissingExtra: databento-dbn is not installed.
    """
    path = Path(path)
    records = mbo_records(path)
    metadata: Metadata = next(records)
    survey = _Survey()
    for record in records:
        survey.add(path, record)
    return MboFile(path, metadata.dataset, _names(metadata, survey.instruments), survey)


class _Survey:
    """What has to be known of the whole file before its first record can be understood."""

    def __init__(self) -> None:
        self.records = 0
        self.untouched = 0
        self.instruments: dict[int, None] = {}
        self.sides: dict[OrderKey, Side | None] = {}
        self.fills: set[ExecutionKey] = set()
        self.trades: list[ExecutionKey] = []

    def add(self, path: Path, record: Any) -> None:
        """Count one record in.

        Raises:
            InputFileError: it is an execution without a price.
        """
        self.records += 1
        action = str(record.action)
        self.instruments.setdefault(record.instrument_id)
        if action not in "AFTMC" or not record.order_id or not (record.size or action == "M"):
            self.untouched += 1
            return
        key = (record.instrument_id, record.order_id)
        if self.sides.get(key) is None:
            self.sides[key] = _SIDES.get(str(record.side))
        if action == "F":
            self.fills.add((*key, record.sequence))
        elif action == "T":
            self.trades.append((*key, record.sequence))
        if action in "FT" and record.price == _NO_PRICE:
            raise damaged_file(path, f"record {self.records} is an execution without a price")


class _Resting:
    """What the file has said so far of an order that may still rest, as far as its next record needs it."""

    __slots__ = ("fill_price", "fill_ts_ns", "leaves")

    def __init__(self, leaves: int = 0) -> None:
        self.leaves = leaves
        self.fill_ts_ns = -1  # of the F that the next record would directly follow
        self.fill_price = _NO_PRICE


class _Codec:
    """Records to reports, in file order."""

    def __init__(self, actor: str, names: dict[int, str], survey: _Survey) -> None:
        self._actor = actor
        self._names = names
        self._sides = survey.sides
        self._fills = survey.fills
        self._known: set[OrderKey] = set()
        self._resting: dict[OrderKey, _Resting] = {}
        self._executions: dict[ExecutionKey, int] = {}
        self._translations = {
            "A": self._add,
            "F": self._fill,
            "T": self._trade,
            "M": self._modify,
            "C": self._cancel,
        }

    def report_of(self, record: "MBOMsg") -> VenueReport | None:
        """The report that ``record`` amounts to, or None where it tells no order anything new."""
        translate = self._translations.get(str(record.action))
        if translate is None or not record.order_id:
            return None
        return translate(record, (record.instrument_id, record.order_id), record.size)

    def _add(self, record: "MBOMsg", key: OrderKey, size: int) -> VenueReport | None:
        if not size:
            return None
        self._known.add(key)
        self._resting[key] = _Resting(size)
        price = _price(record.price)
        return AcknowledgeReport(
            ts_ns=record.ts_event,
            actor=self._actor,
            venue_order_id=str(key[1]),
            symbol=self._names[key[0]],
            owned=True,
            side=self._side(record, key) or Side.UNDISCLOSED,
            leaves=_size(size),
            price=price,
            order_type=OrderType.LIMIT if price is not None else OrderType.MARKET,
        )

    def _fill(self, record: "MBOMsg", key: OrderKey, size: int) -> VenueReport | None:
        if not size:
            return None
        order = self._resting.get(key)
        if order is None:
            order = self._resting[key] = _Resting()
        order.leaves = max(order.leaves - size, 0)
        order.fill_ts_ns = record.ts_event
        order.fill_price = record.price
        return self._execution(record, key, size)

    def _trade(self, record: "MBOMsg", key: OrderKey, size: int) -> VenueReport | None:
        if not size or (*key, record.sequence) in self._fills:
            return None
        order = self._resting.get(key)
        if order is not None:
            order.leaves = max(order.leaves - size, 0)
            order.fill_ts_ns = -1
        return self._execution(record, key, size)

    def _execution(self, record: "MBOMsg", key: OrderKey, size: int) -> FillReport:
        self._known.add(key)
        execution = (*key, record.sequence)
        ordinal = self._executions.get(execution, 0)
        self._executions[execution] = ordinal + 1
        symbol = self._names[key[0]]
        return FillReport(
            ts_ns=record.ts_event,
            actor=self._actor,
            venue_order_id=str(key[1]),
            symbol=symbol,
            execution_id=f"{record.sequence}-{key[1]}-{ordinal}",
            execution_scope=symbol,
            side=self._side(record, key),
            quantity=_size(size),
            price=_price(record.price),  # type: ignore[arg-type]  # the survey let none without pass
        )

    def _modify(self, record: "MBOMsg", key: OrderKey, size: int) -> VenueReport | None:
        if not size:
            self._resting.pop(key, None)
            return self._cancelled(record, key, None)
        if key not in self._known:  # added before the file began: its terms are news, as in an A
            return self._add(record, key, size)
        order = self._resting.get(key)
        if order is None:
            order = self._resting[key] = _Resting()
        after_fill = order.fill_ts_ns == record.ts_event and order.fill_price == record.price
        order.fill_ts_ns = -1
        if after_fill and order.leaves == size:
            return None
        order.leaves = size
        return AmendReport(
            ts_ns=record.ts_event,
            actor=self._actor,
            venue_order_id=str(key[1]),
            symbol=self._names[key[0]],
            leaves=_size(size),
            price=_price(record.price),
        )

    def _cancel(self, record: "MBOMsg", key: OrderKey, size: int) -> VenueReport | None:
        if not size:
            return None
        order = self._resting.get(key)
        if order is not None:
            if not order.leaves and order.fill_ts_ns == record.ts_event:
                del self._resting[key]
                return None
            order.leaves -= size
            order.fill_ts_ns = -1
            if order.leaves <= 0:
                del self._resting[key]
        return self._cancelled(record, key, _size(size))

    def _cancelled(self, record: "MBOMsg", key: OrderKey, quantity: Decimal | None) -> CancelReport:
        return CancelReport(
            ts_ns=record.ts_event,
            actor=self._actor,
            venue_order_id=str(key[1]),
            symbol=self._names[key[0]],
            cancelled_quantity=quantity,
        )

    def _side(self, record: "MBOMsg", key: OrderKey) -> Side | None:
        """The record's own side; where it has none, what any other record says of the order."""
        return _SIDES.get(str(record.side)) or self._sides.get(key)


@lru_cache(maxsize=1 << 16)
def _price(units: int) -> Decimal | None:
    """A price given in units of 1e-9, exactly; None where it is undefined."""
    return None if units == _NO_PRICE else canonical(EXACT.scaleb(Decimal(units), -9))


@lru_cache(maxsize=1 << 12)
def _size(units: int) -> Decimal:
    return Decimal(units)


def _names(metadata: "Metadata", instruments: dict[int, None]) -> dict[int, str]:
    """The symbol of each instrument id, or the id itself where no name stands for it alone.

    Databento maps what was asked for to ids. A parent or continuous symbol stands for several instruments,
    and an id may be used again for another one: such a name would mix the orders of two instruments.
    """
    pairs = {
        (interval["symbol"], name) for name, intervals in metadata.mappings.items() for interval in intervals
    }
    if str(metadata.stype_in) == "instrument_id":
        pairs = {(number, name) for name, number in pairs}
    uses = Counter(word for pair in pairs for word in pair)
    names = {number: name for number, name in pairs if uses[number] == uses[name] == 1}
    return {number: names.get(str(number), str(number)) for number in instruments}
