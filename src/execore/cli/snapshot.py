"""`snapshot`: make the next opening of a book fast, also while a process trades it."""

from execore.cli.output import (
    BookOption,
    JournalOption,
    JsonOption,
    literal,
    out,
    print_json,
    progress_bar,
    reading,
)
from execore.runtime.snapshots import take_snapshot


def snapshot(
    journal: JournalOption = "sqlite:///execore-demo.db",
    book: BookOption = "main",
    as_json: JsonOption = False,
) -> None:
    """Fold a book's records and keep what they make beside the journal. The writer is not disturbed."""
    with reading(journal, book) as opened:
        head = opened.head(book)
        with progress_bar("records", head.sequence, quiet=as_json) as bar:
            taken = take_snapshot(opened, book, bar.to)
    result = {
        "book": book,
        "sequence": 0 if taken is None else taken.head.sequence,
        "hash": "" if taken is None else taken.head.hash,
        "state_hash": "" if taken is None else taken.state_hash,
        "bytes": 0 if taken is None else len(taken.state),
    }
    if as_json:
        print_json(result)
    else:
        out.print(literal(f"book {book} at sequence {result['sequence']:,}: state {result['state_hash']}"))
