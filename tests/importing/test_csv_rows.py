"""Rows and cells of exported tables: delimiters, encodings, quotation marks, numbers, times."""

from datetime import UTC, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execore.importing.cells import amount_and_unit, check_total, number, time_in, to_number
from execore.importing.csv_rows import (
    LONGEST_LINE,
    MOST_LINES_OF_A_ROW,
    Record,
    Row,
    column_names,
    read_rows,
)
from execore.importing.lines import NotUnderstood
from execore.importing.refused import Refused
from execore.model.errors import InputFileError
from importing_support.reading import ns, written


def cells_of(path: Path) -> list[list[str]]:
    return [list(row.cells) for row in read_rows(path) if isinstance(row, Row)]


def record(columns: str, cells: str, *, has_commas_free: bool = False) -> Record:
    delimiter = ";" if has_commas_free else "|"
    row = Row(1, cells, cells.split(delimiter), has_commas_free)
    return Record(row, column_names(columns.split(delimiter)))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_encodings_and_line_ends(tmp_path: Path, delimiter: str, encoding: str, end: str) -> None:
    text = end.join(['a|"b|c"|ü', "", "1|2|3", ""]).replace("|", delimiter)
    path = written(tmp_path, text.encode(encoding))
    assert cells_of(path) == [["a", f"b{delimiter}c", "ü"], ["1", "2", "3"]]
    assert [row.number for row in read_rows(path)] == [1, 3]


def test_a_quoted_cell_may_have_line_breaks_and_marks(tmp_path: Path) -> None:
    path = written(tmp_path, 'a,"b\nc ""d""",e\nf,g,h\n')
    assert cells_of(path) == [["a", 'b\nc "d"', "e"], ["f", "g", "h"]]
    assert [row.number for row in read_rows(path)] == [1, 3]


def test_a_mark_that_is_never_closed_spoils_its_own_line_only(tmp_path: Path) -> None:
    rows = [f"{at},x" for at in range(3 * MOST_LINES_OF_A_ROW)]
    rows[5] = '5,"x'
    found = list(read_rows(written(tmp_path, "\n".join(rows))))
    assert [row.number for row in found if isinstance(row, NotUnderstood)] == [6]
    assert len(found) == len(rows)


@pytest.mark.parametrize("row", ['a,"b"c,d', 'a,"b', '"', 'a"b,"c'])
def test_what_is_no_row(tmp_path: Path, row: str) -> None:
    (found,) = read_rows(written(tmp_path, row))
    assert isinstance(found, NotUnderstood)
    assert (found.code, found.text) == ("not_a_row", row)


def test_bytes_that_are_no_text_spoil_their_own_line_only(tmp_path: Path) -> None:
    first, second, third = read_rows(written(tmp_path, b"a,b\n\xff,1\nc,d\n"))
    assert isinstance(second, NotUnderstood)
    assert second.code == "not_text"
    assert isinstance(first, Row)
    assert isinstance(third, Row)


def test_a_line_of_megabytes_is_told_shortened(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b\n" + "x" * (10 * LONGEST_LINE) + "\nc,d\n")
    first, second, third = read_rows(path)
    assert isinstance(second, NotUnderstood)
    assert (second.code, second.number) == ("line_too_long", 2)
    assert len(second.text) < 300
    assert isinstance(first, Row)
    assert isinstance(third, Row)
    assert third.number == 3


@pytest.mark.parametrize("name", ["", "missing.csv"])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputFileError, match="cannot be read"):
        list(read_rows(tmp_path / name))


def test_columns_are_found_by_name_in_any_order() -> None:
    found = record("User_ID| UTC_Time |Coin", "5| now |")
    assert (found.need("user id"), found.get("utc time"), found.get("coin")) == ("5", "now", "")
    assert found.get("nothing", "utc time") == "now"
    assert (found.has("coin"), found.has("nothing")) == (True, False)
    with pytest.raises(Refused, match="missing_cell"):
        found.need("nothing", "coin")


def test_of_columns_of_one_name_the_first_is_meant() -> None:
    assert record("a|b|a", "1|2|3").need("a") == "1"


# --- numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", "1"),
        ("-1,234,567.50", "-1234567.5"),
        ("+0.00012", "0.00012"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1e-7", "0.0000001"),
        ("1.5E+3", "1500"),
        ("-0.000", "0"),
    ],
)
def test_numbers(text: str, expected: str) -> None:
    assert str(to_number(text, "x")) == expected or to_number(text, "x") == Decimal(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1,5",
        "0,001",
        "1,23,456",
        "12,34.5",
        "1.234,5",
        "1 000",
        "$5",
        "1_000",
        "NaN",
        "inf",
        "٣",
        "--1",
        "1e400",
    ],
)
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(Refused) as caught:
        to_number(text, "x")
    assert caught.value.code == "invalid_number"


@pytest.mark.parametrize("text", ["1,5", "1,234", "1,234.5"])
def test_a_comma_is_ambiguous_where_columns_do_not_need_it(text: str) -> None:
    with pytest.raises(Refused) as caught:
        number(record("a;b", f"{text};x", has_commas_free=True), "a")
    assert caught.value.code == "ambiguous_number"
    assert number(record("a;b", "1.5;x", has_commas_free=True), "a") == Decimal("1.5")


@pytest.mark.parametrize(
    ("text", "units", "expected"),
    [
        ("0.00012BTC", (), (Decimal("0.00012"), "BTC")),
        ("1,234.5 USDT", (), (Decimal("1234.5"), "USDT")),
        ("0.51INCH", ("1INCH",), (Decimal("0.5"), "1INCH")),
        ("-0.1BNB", ("BTC",), (Decimal("-0.1"), "BNB")),
    ],
)
def test_amounts_with_their_units(text: str, units: tuple[str, ...], expected: tuple[Decimal, str]) -> None:
    assert amount_and_unit(record("a", text), "a", units) == expected


@pytest.mark.parametrize("text", ["BTC", "1", "1.2.3BTC", "BTC1"])
def test_what_is_no_amount_with_a_unit(text: str) -> None:
    with pytest.raises(Refused) as caught:
        amount_and_unit(record("a", text), "a")
    assert caught.value.code == "invalid_number"


def test_a_total_may_be_rounded_in_its_last_digit_and_no_further() -> None:
    check_total(Decimal("3.127543"), Decimal("-3.12754"), "cost")
    check_total(Decimal("3.127543"), Decimal("3.13"), "cost")
    with pytest.raises(Refused, match="total_differs"):
        check_total(Decimal("3.127543"), Decimal("3.12756"), "cost")
    with pytest.raises(Refused, match="total_differs"):
        check_total(Decimal("3.127543"), Decimal("4"), "cost")


# --- times --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-06 07:08:09", "2024-05-06T07:08:09+02:00"),
        ("24-05-06 07:08:09", "2024-05-06T07:08:09+02:00"),
        ("2024/05/06 07:08", "2024-05-06T07:08:00+02:00"),
        ("2024-05-06, 07:08:09", "2024-05-06T07:08:09+02:00"),
        ("20240506;070809", "2024-05-06T07:08:09+02:00"),
        ("20240506", "2024-05-06T00:00:00+02:00"),
        ("2024-05-06T07:08:09Z", "2024-05-06T07:08:09Z"),
        ("2024-05-06T07:08:09.123456+05:30", "2024-05-06T07:08:09.123456+05:30"),
        ("2024-05-06 07:08:09-0330", "2024-05-06T07:08:09-03:30"),
        ("2024-05-06;07:08:09 EST", "2024-05-06T07:08:09-05:00"),
    ],
)
def test_times_of_a_known_zone(text: str, expected: str) -> None:
    assert time_in(text, timezone(timedelta(hours=2))) == ns(expected)


def test_nanoseconds_are_kept() -> None:
    assert time_in("2024-05-06 07:08:09.000000001", UTC) == ns("2024-05-06T07:08:09Z") + 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "05/06/2024 07:08",
        "6.5.2024",
        "240506",
        "2024-02-30",
        "2024-05-06 25:00:00",
        "2024-05/06",
        "0000-01-01",
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(Refused) as caught:
        time_in(text, UTC)
    assert caught.value.code == "invalid_time"


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_time_is_read_as_it_is_written(moment: object) -> None:
    text = str(moment)
    assert time_in(text, timezone(timedelta(hours=3))) == ns(text)
