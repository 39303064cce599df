"""The generated pages about the state machine are what the table and the transitions make today."""

import sys
from pathlib import Path

import pytest

from execore.testing import coverage_page

DOCS = Path(__file__).parents[2] / "docs"


def test_the_committed_pages_are_up_to_date() -> None:
    assert coverage_page.outdated(DOCS) == [], f"run `{coverage_page.COMMAND}` and commit what it writes"


def test_check_names_a_page_that_is_out_of_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["coverage_page", "--directory", str(tmp_path)])
    coverage_page.main()
    assert coverage_page.outdated(tmp_path) == []

    (tmp_path / coverage_page.DIAGRAM_PAGE).write_text("old", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["coverage_page", "--check", "--directory", str(tmp_path)])
    with pytest.raises(SystemExit, match=coverage_page.DIAGRAM_PAGE):
        coverage_page.main()
    assert (tmp_path / coverage_page.DIAGRAM_PAGE).read_text(encoding="utf-8") == "old", (
        "a check writes nothing"
    )
