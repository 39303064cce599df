"""Mirroring an account that is traded elsewhere: reports in, one durable commit for every so many."""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

from execore.model.reports import VenueReport
from execore.runtime.book import Book

COMMIT_SIZE: Final = 2_000
"""Reports to a commit: a sync costs the same for one record as for thousands."""


def mirror(
    book: Book, reports: Iterable[VenueReport], progress: Callable[[int], None] | None = None
) -> Counter[str]:
    """Book every report, in order and durably; return how many had which outcome.

    Args:
        progress: called with the number of reports booked, after each commit.

    Raises:
        NotRecorded, OutcomeUnknown: a commit failed; the book is closed, what was committed stays.
    """
    outcomes: Counter[str] = Counter()
    source, done = iter(reports), 0
    while batch := list(islice(source, COMMIT_SIZE)):
        outcomes.update(answer.outcome.value for answer in book.apply(batch))
        done += len(batch)
        if progress is not None:
            progress(done)
    return outcomes
