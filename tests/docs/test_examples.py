"""Every example runs, and what the pages show of them is what they are and what they print."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of one language in a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


@cache
def output(example: Path, cwd: Path) -> str:
    """What an example prints; it must end well and leave no warning."""
    command = [sys.executable, "-W", "error", str(example)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_example_runs_and_leaves_nothing_behind(example: Path, tmp_path: Path) -> None:
    assert output(example, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "page", ["README.md", "docs/orders.md", "docs/groups.md", "docs/adapters.md", "docs/runtime.md"]
)
def test_the_page_shows_code_that_is_run(page: str) -> None:
    shown = blocks(page, "python")
    assert shown
    code = [example.read_text(encoding="utf-8") for example in EXAMPLES]
    for block in shown:
        assert any(block in text for text in code), block


def test_the_readme_says_what_its_example_prints(tmp_path: Path) -> None:
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    lines = output(ROOT / "docs" / "examples" / "first_book.py", tmp_path).splitlines()
    assert len(lines) == 5
    assert lines[3].count("'") == 2 * len(["created", "submitted", "acknowledged", "filled"])
    for line in (*lines[:3], lines[4]):
        assert f"`{line}`" in readme


@pytest.mark.parametrize(
    ("example", "page"), [("positions.py", "docs/positions.md"), ("bracket.py", "docs/groups.md")]
)
def test_the_worked_examples_are_what_is_printed(example: str, page: str, tmp_path: Path) -> None:
    printed = output(ROOT / "docs" / "examples" / example, tmp_path)
    shown = blocks(page, "text")
    assert shown
    for block in shown:
        assert block in printed, block
