"""The reference pages name every error, command, option and field, and their queries work."""

import re
import sqlite3
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from execore.cli.main import EXIT_CODES, app
from execore.journal.rows import FILL_COLUMNS, ORDER_COLUMNS, POSITION_COLUMNS
from execore.model.errors import ExecoreError
from execore.model.failures import VenueError

DOCS = Path(__file__).parents[2] / "docs"


def page(name: str) -> str:
    """The text of one page."""
    return (DOCS / name).read_text(encoding="utf-8")


def tree(root: type[ExecoreError] = ExecoreError) -> list[type[ExecoreError]]:
    """Every error class of execore itself; tests make some of their own."""
    ours = [kind for kind in root.__subclasses__() if kind.__module__.startswith("execore.model.")]
    return [root, *(found for kind in ours for found in tree(kind))]


def error_rows() -> dict[str, list[str]]:
    """The cells of each row of the error tables, by class."""
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", page("errors.md"), flags=re.MULTILINE)
    return {name: [cell.strip() for cell in re.split(r"(?<!\\)\|", cells)] for name, cells in rows}


def test_every_error_is_listed_and_every_listed_one_exists() -> None:
    assert {kind.__name__ for kind in tree()} == set(error_rows())


@pytest.mark.parametrize("kind", tree(), ids=lambda kind: kind.__name__)
def test_the_error_has_the_code_and_the_meaning_that_the_page_gives(kind: type[ExecoreError]) -> None:
    code, second, third, *_ = error_rows()[kind.__name__]
    assert code == f"`{kind.code}`"
    if issubclass(kind, VenueError):
        said = (second.replace("-", "_"), third.replace(" ", "_"))
        assert said == (kind.error_class.value, kind.outcome.value)
    else:
        assert int(second) == next(number for root, number in EXIT_CODES if issubclass(kind, root))


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in tree()]
    assert len(set(codes)) == len(codes)


def sections() -> dict[str, str]:
    """The sections of the command line's page by command: ``execore audit show`` and so on."""
    parts = re.split(r"^## `(execore [a-z ]+?)(?: [A-Z]+)?`$", page("command_line.md"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def commands() -> dict[str, list[str]]:
    """Every command of the program, with its long options."""
    found: dict[str, list[str]] = {}
    waiting = [("execore", typer.main.get_command(app))]
    while waiting:
        name, command = waiting.pop()
        children = getattr(command, "commands", {})
        waiting += [(f"{name} {child}", children[child]) for child in children]
        if not children:
            options = [option for parameter in command.params for option in parameter.opts]
            found[name] = [option for option in options if option.startswith("--")]
    return found


def test_every_command_and_option_is_described() -> None:
    assert set(sections()) == set(commands())
    for name, options in commands().items():
        for option in options:
            assert f"`{option}`" in sections()[name], f"{name} {option}"


def test_every_field_is_described() -> None:
    for command, columns in (
        ("orders", ORDER_COLUMNS),
        ("fills", FILL_COLUMNS),
        ("positions", POSITION_COLUMNS),
    ):
        section = sections()[f"execore {command}"]
        for column in columns:
            assert f"`{column}`" in section, f"{command} {column}"


def test_the_queries_work(tmp_path: Path) -> None:
    if sqlite3.sqlite_version_info < (3, 38):
        pytest.skip("the page asks for SQLite 3.38")
    path = tmp_path / "demo.db"
    done = CliRunner().invoke(app, ["demo", "--journal", str(path), "--quotes", "200"])
    assert done.exit_code == 0, done.output
    queries = re.findall(r"^```sql\n(.*?)^```$", page("journal.md"), flags=re.DOTALL | re.MULTILINE)
    assert len(queries) > 3
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        results = [
            connection.execute(sql).fetchall()
            for query in queries
            for sql in filter(str.strip, query.split(";"))
        ]
    finally:
        connection.close()
    empty = [number for number, rows in enumerate(results) if not rows]
    assert len(empty) <= 1, "only parked reports may be missing"
