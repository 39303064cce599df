"""Holding periods, as tax authorities count them."""

import pytest

from execore.core.lot_terms import holding_days, is_long_term
from execore.views.trail import parse_utc


def at(text: str) -> int:
    return parse_utc(text, "time")


@pytest.mark.parametrize(
    ("opened", "closed", "days", "long_term"),
    [
        # IRS Publication 550 (2023), "Holding Period", its example: bought on February 5 of one year, sold on
        # February 5 of the next: not more than a year. Sold on February 6: more than a year.
        ("2022-02-05", "2023-02-05", 365, False),
        ("2022-02-05", "2023-02-06", 366, True),
        ("2024-01-10T23:59:59Z", "2024-01-10", 0, False),
        ("2024-01-10T23:59:59Z", "2024-01-11T00:00:00Z", 1, False),
        # Revenue Ruling 66-7: what is bought on the last day of a month is held for more than so many months
        # from the first day of the month after the last of them.
        ("2024-02-29", "2025-02-28", 365, False),
        ("2024-02-29", "2025-03-01", 366, True),
        ("2023-03-01", "2024-03-01", 366, False),
        ("2023-03-01", "2024-03-02", 367, True),
    ],
)
def test_a_year_is_over_on_the_day_after_its_date(
    opened: str, closed: str, days: int, long_term: bool
) -> None:
    assert holding_days(at(opened), at(closed)) == days
    assert is_long_term(at(opened), at(closed)) is long_term
