"""What may be imported where, and how long a piece of code may get."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
SOURCE: Final = ROOT / "src" / "execore"
FILES: Final = sorted(SOURCE.rglob("*.py"))
PURE: Final = [path for path in FILES if path.relative_to(SOURCE).parts[0] in ("core", "model")]


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


# --- what an import costs -----------------------------------------------------------------------------------

ALLOWED: Final = {"execore", "msgspec", "apsw", "typing_extensions"}
"""Outside the standard library. ``typing_extensions`` is msgspec's: it imports it where it is installed."""


def modules_after(statement: str) -> set[str]:
    """The top-level modules in a fresh interpreter after ``statement``, less those it starts with."""
    code = f"import sys; before = set(sys.modules); {statement}; import json; " + (
        "print(json.dumps(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_importing_execore_loads_msgspec_apsw_and_the_standard_library() -> None:
    loaded = modules_after("import execore")
    assert {"execore", "msgspec", "apsw"} <= loaded
    assert loaded - set(sys.stdlib_module_names) <= ALLOWED


def test_the_heavy_and_the_optional_are_loaded_by_those_who_need_them() -> None:
    loaded = modules_after("import execore")
    assert not loaded & {"typer", "rich", "click", "databento_dbn", "psycopg", "nats", "hypothesis"}


# --- the core is pure ---------------------------------------------------------------------------------------

PURE_IMPORTS: Final = {
    "bisect",
    "collections",
    "datetime",  # dates are counted with it; what day it is now, it is never asked
    "decimal",
    "enum",
    "execore",
    "fractions",
    "functools",
    "hashlib",  # names an external order the same way on every machine
    "itertools",
    "math",
    "msgspec",
    "operator",
    "types",
    "typing",
}
"""All that the core and the model may import; nothing here knows a clock, chance, files or other threads."""


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""


@pytest.mark.parametrize("path", PURE, ids=name_of)
def test_the_core_and_the_model_import_nothing_impure(path: Path) -> None:
    named = set(imports(ast.parse(path.read_text(encoding="utf-8"))))
    assert {name.partition(".")[0] for name in named} <= PURE_IMPORTS
    ours = {name.split(".")[1] for name in named if name.startswith("execore.")}
    assert ours <= ({"core", "model"} if path.parent.name == "core" else {"model"})


@pytest.mark.parametrize("path", PURE, ids=name_of)
def test_the_core_and_the_model_never_ask_what_time_it_is(path: Path) -> None:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    called = (node.func for node in nodes if isinstance(node, ast.Call))
    assert not {one.attr for one in called if isinstance(one, ast.Attribute)} & {"now", "today", "utcnow"}


@pytest.mark.parametrize("path", PURE, ids=name_of)
def test_the_core_and_the_model_do_no_input_or_output(path: Path) -> None:
    called = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"open", "print", "input", "exec", "eval", "__import__", "float"}


# --- nothing grows unseen -----------------------------------------------------------------------------------

LONGEST_FUNCTION: Final = 60
LONGEST_FILE: Final = 420
FUNCTION_EXCEPTIONS: Final[dict[str, str]] = {}
FILE_EXCEPTIONS: Final[dict[str, str]] = {}


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_functions_and_files_stay_readable(path: Path) -> None:
    for function, lines in functions(path):
        if f"{name_of(path)}:{function}" not in FUNCTION_EXCEPTIONS:
            assert lines <= LONGEST_FUNCTION, f"{function} has {lines} lines"
    lines = len(path.read_text(encoding="utf-8").splitlines())
    if name_of(path) not in FILE_EXCEPTIONS:
        assert lines <= LONGEST_FILE, f"{lines} lines: split it, or say here why not"


def test_no_exception_outlives_its_reason() -> None:
    for name in FILE_EXCEPTIONS:
        assert len((SOURCE / name).read_text(encoding="utf-8").splitlines()) > LONGEST_FILE
    for name in FUNCTION_EXCEPTIONS:
        path, _, wanted = name.partition(":")
        assert dict(functions(SOURCE / path))[wanted] > LONGEST_FUNCTION
