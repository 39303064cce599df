"""The MBO adapter: each rule of the dialect, every kind of unusable file, and a real day."""

import sys
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import databento_dbn as dbn
import pytest

from execore.model.errors import InputFileError, MissingExtra
from execore.model.reports import AcknowledgeReport, AmendReport, CancelReport, FillReport, VenueReport
from execore.model.vocabulary import OrderType, Side
from execore.venues.databento_mbo import MboFile, read_mbo
from venues_support.naive_mbo import NaiveOrder, reduce_file
from venues_support.random_mbo import (
    PRICE,
    START_NS,
    TICK,
    metadata,
    random_records,
    record,
    write_file,
    zstd_frame,
)

REAL_FILE = Path(__file__).parents[2] / "../shared/data/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
UNDEFINED = (1 << 63) - 1

Read = Callable[..., MboFile]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read a file of the given records."""
    return lambda *records, **options: read_mbo(write_file(tmp_path / "x.mbo.dbn", records, **options))


def told(file: MboFile) -> list[tuple[str, str]]:
    """The reports in short: what, and how much of what price."""
    return [_short(report) for report in file.reports()]


def _short(report: VenueReport) -> tuple[str, str]:
    match report:
        case AcknowledgeReport():
            return "acknowledge", f"{report.leaves}@{report.price}"
        case FillReport():
            return "fill", f"{report.quantity}@{report.price}"
        case AmendReport():
            return "amend", f"{report.leaves}@{report.price}"
        case CancelReport():
            return "cancel", f"{report.cancelled_quantity}"
    raise AssertionError(report)


# --- the dialect --------------------------------------------------------------------------------------


def test_an_add_tells_the_terms(read: Read) -> None:
    file = read(record("A", 7, 3, PRICE + 250_000_000, "A", ts=5))
    assert list(file.reports()) == [
        AcknowledgeReport(
            ts_ns=START_NS + 5,
            actor="venue:GLBX.MDP3",
            venue_order_id="7",
            symbol="S1",
            owned=True,
            side=Side.SELL,
            leaves=Decimal(3),
            price=Decimal("4800.25"),
        )
    ]


def test_a_fill_names_its_execution(read: Read) -> None:
    file = read(record("F", 7, 3, PRICE, "B", ts=5, sequence=12))
    assert list(file.reports()) == [
        FillReport(
            ts_ns=START_NS + 5,
            actor="venue:GLBX.MDP3",
            venue_order_id="7",
            symbol="S1",
            execution_id="12-7-0",
            execution_scope="S1",
            side=Side.BUY,
            quantity=Decimal(3),
            price=Decimal(4800),
        )
    ]


def test_prices_are_exact_to_the_ninth_digit_and_may_be_negative(read: Read) -> None:
    file = read(record("A", 1, 1, -1), record("A", 2, 1, 4800_123456789))
    assert told(file) == [("acknowledge", "1@-1E-9"), ("acknowledge", "1@4800.123456789")]


def test_an_undefined_price_is_no_price(read: Read) -> None:
    (report,) = read(record("A", 1, 4, UNDEFINED)).reports()
    assert isinstance(report, AcknowledgeReport)
    assert (report.price, report.order_type) == (None, OrderType.MARKET)


def test_several_fills_of_one_sequence_are_several_executions(read: Read) -> None:
    file = read(*(record("F", 7, 2, sequence=9) for _ in range(3)), record("F", 8, 2, sequence=9))
    ids = [report.execution_id for report in file.reports() if isinstance(report, FillReport)]
    assert ids == ["9-7-0", "9-7-1", "9-7-2", "9-8-0"]


def test_executions_of_one_sequence_stay_apart_when_others_come_between(read: Read) -> None:
    file = read(*(record("F", 7, 2, sequence=number) for number in (9, 10, 9)))
    ids = [report.execution_id for report in file.reports() if isinstance(report, FillReport)]
    assert ids == ["9-7-0", "10-7-0", "9-7-1"]


@pytest.mark.parametrize("order", ["TF", "FT"])
def test_a_trade_that_is_also_a_fill_is_one_execution(read: Read, order: str) -> None:
    file = read(*(record(action, 7, 2, sequence=9) for action in order))
    assert told(file) == [("fill", "2@4800")]
    assert file.duplicates == 1


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(record("F", 7, 2, sequence=10), id="another sequence"),
        pytest.param(record("F", 8, 2, sequence=9), id="another order"),
        pytest.param(record("F", 7, 2, sequence=9, instrument_id=2), id="another instrument"),
    ],
)
def test_a_trade_of_its_own_is_an_execution(read: Read, other: dbn.MBOMsg) -> None:
    file = read(record("T", 7, 2, sequence=9), other)
    assert told(file) == [("fill", "2@4800"), ("fill", "2@4800")]
    assert file.duplicates == 0


def test_a_modify_is_an_amend(read: Read) -> None:
    file = read(record("A", 7, 5), record("M", 7, 3, PRICE + TICK))
    assert told(file)[1:] == [("amend", "3@4800.25")]


UPDATES = {
    "what the fill left": ([("F", 2, 0, 0), ("M", 3, 0, 0)], []),
    "what several fills left": ([("F", 2, 0, 0), ("F", 1, 0, 0), ("M", 2, 0, 0)], []),
    "at the fill's better price": ([("F", 2, TICK, 0), ("M", 3, TICK, 0)], []),
    "at another price": ([("F", 2, 0, 0), ("M", 3, TICK, 0)], [("amend", "3@4800.25")]),
    "another size": ([("F", 2, 0, 0), ("M", 4, 0, 0)], [("amend", "4@4800")]),
    "later": ([("F", 2, 0, 0), ("M", 3, 0, 1)], [("amend", "3@4800")]),
    "not the first after the fill": (
        [("F", 2, 0, 0), ("M", 3, TICK, 0), ("M", 3, 0, 0)],
        [("amend", "3@4800.25"), ("amend", "3@4800")],
    ),
    "after a trade, not a fill": ([("T", 2, 0, 0), ("M", 3, 0, 0)], [("amend", "3@4800")]),
    "an iceberg shows again": ([("F", 5, 0, 0), ("M", 5, 0, 0)], [("amend", "5@4800")]),
    "removal of a filled order": ([("F", 5, 0, 0), ("C", 5, 0, 0)], []),
    "removal after an overfill": ([("F", 8, 0, 0), ("C", 5, 0, 0)], []),
    "removal in two parts": ([("F", 2, 0, 0), ("F", 3, 0, 0), ("C", 5, 0, 0)], []),
    "later removal": ([("F", 5, 0, 0), ("C", 5, 0, 1)], [("cancel", "5")]),
    "cancel of what a fill left": ([("F", 2, 0, 0), ("C", 3, 0, 0)], [("cancel", "3")]),
    "cancel of what the book had": ([("F", 2, 0, 0), ("C", 5, 0, 0)], [("cancel", "5")]),
    "cancel of an iceberg's next slice": (
        [("F", 5, 0, 0), ("M", 4, 0, 0), ("C", 4, 0, 0)],
        [("amend", "4@4800"), ("cancel", "4")],
    ),
    "a reduction": ([("C", 2, 0, 0), ("C", 3, 0, 0)], [("cancel", "2"), ("cancel", "3")]),
    "removal after a reduction": ([("C", 2, 0, 0), ("F", 3, 0, 0), ("C", 3, 0, 0)], [("cancel", "2")]),
    "a modify to nothing": ([("M", 0, 0, 0)], [("cancel", "None")]),
    "a modify after a cancel": ([("C", 5, 0, 0), ("M", 2, 0, 0)], [("cancel", "5"), ("amend", "2@4800")]),
}


@pytest.mark.parametrize(("steps", "expected"), UPDATES.values(), ids=UPDATES.keys())
def test_the_books_update_after_a_fill_is_no_news(
    read: Read, steps: list[tuple[str, int, int, int]], expected: list[tuple[str, str]]
) -> None:
    records = [
        record(action, 7, size, PRICE + above, ts=1 + later, sequence=number)
        for number, (action, size, above, later) in enumerate(steps)
    ]
    reports = told(read(record("A", 7, 5), *records))
    assert [report for report in reports[1:] if report[0] != "fill"] == expected


def test_another_orders_records_do_not_come_between(read: Read) -> None:
    file = read(
        record("A", 7, 5),
        record("A", 7, 5, instrument_id=2),
        record("F", 7, 5, ts=1),
        record("M", 7, 2, ts=1, instrument_id=2),
        record("C", 7, 5, ts=1),
    )
    assert [what for what, _ in told(file)] == ["acknowledge", "acknowledge", "fill", "amend"]


def test_an_order_known_by_executions_alone_has_nothing_left(read: Read) -> None:
    file = read(record("F", 7, 5, ts=1), record("C", 7, 5, ts=1))
    assert told(file) == [("fill", "5@4800")]


def test_a_modify_of_an_order_never_heard_of_tells_its_terms(read: Read) -> None:
    file = read(record("C", 7, 1), record("M", 7, 4), record("M", 7, 3))
    assert told(file) == [("cancel", "1"), ("acknowledge", "4@4800"), ("amend", "3@4800")]


def test_records_that_touch_no_order_are_counted(read: Read) -> None:
    file = read(
        record("R", 0, 0, UNDEFINED, "N"),
        record("T", 0, 44, side="N"),
        record("N", 7, 1),
        record("R", 7, 1),
        *(record(action, 7, 0, UNDEFINED) for action in "AFTC"),
    )
    assert told(file) == []
    assert (file.records, file.untouched) == (8, 8)


@pytest.mark.parametrize("sided", [-1, 1], ids=["later record", "earlier record"])
def test_a_record_without_side_takes_the_orders(read: Read, sided: int) -> None:
    records = [record("F", 7, 1, side="N", sequence=1), record("F", 7, 1, side="A", sequence=2)]
    sides = [getattr(report, "side", None) for report in read(*records[::sided]).reports()]
    assert sides == [Side.SELL, Side.SELL]


def test_a_side_that_nobody_says_stays_open(read: Read) -> None:
    added, filled = read(record("A", 7, 1, side="N"), record("F", 7, 1, side="N")).reports()
    assert isinstance(added, AcknowledgeReport)
    assert isinstance(filled, FillReport)
    assert (added.side, filled.side) == (None, None)


def test_a_side_is_not_borrowed_from_another_instrument(read: Read) -> None:
    file = read(record("F", 7, 1, side="N"), record("A", 7, 1, side="A", instrument_id=2))
    assert next(file.reports()).side is None  # type: ignore[union-attr]  # a FillReport


# --- symbols ------------------------------------------------------------------------------------------


def test_instruments_are_named_by_the_files_own_mapping(read: Read) -> None:
    file = read(
        record("A", 1, instrument_id=5), record("A", 1, instrument_id=6), names={"ESH4": [5], "NQH4": [6]}
    )
    assert file.symbols == ("ESH4", "NQH4")
    assert [report.symbol for report in file.reports()] == ["ESH4", "NQH4"]


@pytest.mark.parametrize(
    "names",
    [
        pytest.param({"ES.FUT": [5, 6]}, id="a parent of both"),
        pytest.param({"A": [5, 6], "B": [6]}, id="two names for one"),
        pytest.param({}, id="no mapping"),
    ],
)
def test_a_name_that_is_not_the_instruments_alone_is_not_used(
    read: Read, names: dict[str, list[int]]
) -> None:
    file = read(record("A", 1, instrument_id=5), record("A", 1, instrument_id=6), names=names or {"X": []})
    assert file.symbols == ("5", "6")


# --- the file -----------------------------------------------------------------------------------------

RECORDS = [record("A", number, 5) for number in range(1, 3000)]


@pytest.fixture(params=["x.dbn", "x.dbn.zst", "misnamed.bin"])
def whole(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_file(tmp_path / request.param, RECORDS)


def test_plain_and_compressed_files_are_told_by_content(whole: Path) -> None:
    file = read_mbo(str(whole))
    assert file.records == len(RECORDS) == len(list(file.reports()))
    assert len(list(file.reports())) == len(RECORDS), "it can be read again"


def test_an_empty_day_is_a_file_too(read: Read) -> None:
    assert read().records == 0


@pytest.mark.parametrize("cut", [1, 3, 40, 1000, 66_000, 100_000])
def test_a_file_cut_short_is_refused(whole: Path, cut: int) -> None:
    data = whole.read_bytes()
    whole.write_bytes(data[:-cut])
    with pytest.raises(InputFileError, match="cut short or damaged"):
        read_mbo(whole)


@pytest.mark.parametrize("size", [5, 8, 60])
def test_a_file_cut_in_its_header_is_refused(whole: Path, size: int) -> None:
    whole.write_bytes(whole.read_bytes()[:size])
    with pytest.raises(InputFileError, match="cut short or damaged"):
        read_mbo(whole)


def test_a_cut_between_two_zstd_blocks_is_refused(tmp_path: Path) -> None:
    data = write_file(tmp_path / "x.dbn.zst", RECORDS).read_bytes()
    first_block_end = 6 + 3 + (1 << 16)
    (tmp_path / "x.dbn.zst").write_bytes(data[:first_block_end])
    with pytest.raises(InputFileError, match="zstd frame at byte 0"):
        read_mbo(tmp_path / "x.dbn.zst")


def test_a_cut_that_loses_only_the_checksum_is_refused(tmp_path: Path) -> None:
    data = bytearray(write_file(tmp_path / "x.dbn.zst", RECORDS).read_bytes())
    data[4] |= 4  # the frame header's flag: four bytes of checksum follow the last block
    (tmp_path / "x.dbn.zst").write_bytes(data + b"123")
    with pytest.raises(InputFileError, match="last zstd frame is not whole"):
        read_mbo(tmp_path / "x.dbn.zst")


def test_a_record_cut_inside_a_whole_frame_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.dbn.zst"
    path.write_bytes(zstd_frame(bytes(metadata({"S1": [1]})) + bytes(RECORDS[0])[:-1]))
    with pytest.raises(InputFileError, match="in the middle of a record"):
        read_mbo(path)


def test_frames_may_follow_each_other_and_skip(tmp_path: Path) -> None:
    path = tmp_path / "x.dbn.zst"
    skippable = (0x184D2A5E).to_bytes(4, "little") + (3).to_bytes(4, "little") + b"abc"
    head, tail = bytes(metadata({"S1": [1]})), b"".join(map(bytes, RECORDS))
    path.write_bytes(zstd_frame(head) + skippable + zstd_frame(tail) + skippable)
    assert read_mbo(path).records == len(RECORDS)


@pytest.mark.parametrize("data", [b"", b"D", b"PK\x03\x04 a zip file", b'{"json": 1}'])
def test_a_foreign_file_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "foreign.dbn"
    path.write_bytes(data)
    with pytest.raises(InputFileError, match=r"foreign.dbn is not a DBN file.*Give a Databento MBO file"):
        read_mbo(path)


@pytest.mark.parametrize("data", [zstd_frame(b"not DBN at all, but well packed"), b"DBN\x03 and nonsense"])
def test_a_file_that_only_begins_well_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.dbn.zst"
    path.write_bytes(data)
    with pytest.raises(InputFileError, match="cut short or damaged"):
        read_mbo(path)


def test_bytes_behind_the_end_are_refused(tmp_path: Path) -> None:
    path = write_file(tmp_path / "x.dbn.zst", RECORDS)
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(InputFileError, match="cut short or damaged"):
        read_mbo(path)


@pytest.mark.parametrize("schema", ["trades", None])
def test_another_schema_is_refused(read: Read, schema: str | None) -> None:
    with pytest.raises(InputFileError, match=r"holds .* data, not market by order.*schema mbo"):
        read(schema=schema)


def test_another_kind_of_record_is_refused(read: Read) -> None:
    with pytest.raises(InputFileError, match="holds TradeMsg data"):
        read(RECORDS[0], dbn.TradeMsg(1, 1, 5, PRICE, 1, dbn.Action("T"), dbn.Side("B"), 0, 5, sequence=1))


@pytest.mark.parametrize("action", ["F", "T"])
def test_an_execution_without_a_price_is_refused(read: Read, action: str) -> None:
    with pytest.raises(InputFileError, match="record 2 is an execution without a price"):
        read(RECORDS[0], record(action, 1, 1, UNDEFINED))


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path) -> None:
    for path, why in ((tmp_path / "none.dbn", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(InputFileError, match=f"{path.name} cannot be read: {why}"):
            read_mbo(path)


def test_without_the_extra_the_error_says_how_to_get_it(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "databento_dbn", None)
    with pytest.raises(MissingExtra, match="pip install databento-dbn"):
        read_mbo(whole)


# --- against the naive reduction -----------------------------------------------------------------------


def fold(file: MboFile) -> dict[tuple[str, str], tuple[int, int, int, bool]]:
    """Quantity, filled, leaves and external of every order, by taking the reports at their word."""
    orders: dict[tuple[str, str], tuple[int, int, int, bool]] = {}
    inferred: set[tuple[str, str]] = set()
    for report in file.reports():
        key = (report.symbol, report.venue_order_id)
        if key not in orders and isinstance(report, CancelReport):
            continue
        if key not in orders:
            inferred.add(key)
        quantity, filled, leaves, external = orders.get(key, (0, 0, 0, True))
        match report:
            case FillReport():
                filled += int(report.quantity)
                quantity = filled if key in inferred else quantity
                leaves = max(leaves - int(report.quantity), 0)
            case AcknowledgeReport() | AmendReport():
                leaves = int(report.leaves or 0)
                quantity = filled + leaves
                external &= isinstance(report, AmendReport)
                inferred.discard(key)
            case CancelReport():
                out = leaves if report.cancelled_quantity is None else int(report.cancelled_quantity)
                quantity -= out if out < leaves else 0
                leaves = max(leaves - out, 0)
        orders[key] = (quantity, filled, leaves, external)
    return orders


def assert_agrees(path: Path, names: dict[int, str]) -> dict[tuple[int, int], NaiveOrder]:
    naive = reduce_file(path)
    assert fold(read_mbo(path)) == {
        (names[instrument], str(order_id)): (order.quantity, order.filled, order.leaves, order.external)
        for (instrument, order_id), order in naive.items()
    }
    assert all(order.leaves == order.book_size for order in naive.values()), "plain arithmetic"
    return naive


@pytest.mark.parametrize("seed", range(150))
def test_the_reports_amount_to_the_naive_orders(tmp_path: Path, seed: int) -> None:
    path = write_file(tmp_path / "x.dbn.zst", random_records(seed), {"S1": [1], "S2": [2]})
    assert_agrees(path, {1: "S1", 2: "S2"})


def test_a_real_day() -> None:
    if not REAL_FILE.exists():
        pytest.skip("the sample day is not part of the project; it lies in shared/data beside it")
    file = read_mbo(REAL_FILE)
    reports = list(file.reports())
    assert (file.symbols, file.dataset) == (("ESH4",), "GLBX.MDP3")
    assert (file.records, file.duplicates, file.untouched) == (68_792, 108, 1)
    assert Counter(type(report) for report in reports) == {
        AcknowledgeReport: 29_216,
        FillReport: 9_235,
        AmendReport: 11_342,
        CancelReport: 12_670,
    }
    assert len({report.venue_order_id for report in reports}) == 31_974
    fills = [report for report in reports if isinstance(report, FillReport)]
    assert len({fill.execution_id for fill in fills}) == len(fills)
    # Seven orders of the opening auction are known by one execution each that never says its side.
    assert sum(fill.side is None for fill in fills) == 7
    states = Counter(order.state for order in assert_agrees(REAL_FILE, {17077: "ESH4"}).values())
    assert states == {"CANCELLED": 12_670, "ACKNOWLEDGED": 11_210, "FILLED": 8_087, "PARTIALLY_FILLED": 7}
