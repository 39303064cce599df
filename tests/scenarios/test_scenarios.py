"""Every scenario runs as its file says, every war story is accounted for, and the notation keeps its word."""

import json
import os
import re
import subprocess
import sys
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from execore.core.book_state import BookState
from execore.model import reports, requests
from execore.model.entries import Entry, Split
from execore.model.errors import InputFileError
from execore.model.events import OrderAcknowledged
from execore.model.group_requests import GroupRequest, ReleaseGroup, SubmitGroup
from execore.model.groups import GroupKind
from execore.model.instruments import Instrument
from execore.model.lots import LotChoice
from execore.model.orders import OrderRequest
from execore.model.requests import Input, RiskResult, SubmitOrder
from execore.model.vocabulary import RiskDecision
from execore.testing import scenario
from execore.testing.scenario import main, play, run_file
from execore.testing.scenario_notation import Scenario, parse
from execore.testing.scenario_words import KINDS, fields_of, render

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SCENARIOS = sorted(HERE.rglob("*.scenario"))
LATER = HERE / "stories" / "later.txt"
WAR_STORIES = ROOT / "../shared/war_stories.json"
SUBJECTS = {
    "runtime and crash recovery (issue 4)",
    "books (issue 5)",
    "risk gate and kill switch (issue 6)",
    "reconciliation",
    "venue adapters",
    "storage",
}
HEADER = "instrument BTC/USD USD base_currency=BTC\n"
ORDER = HEADER + "> submit A buy 5 BTC/USD limit 100\n"


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_scenario_runs_as_its_file_says(path: Path) -> None:
    result = run_file(path)
    assert result.problems == ()
    assert result.difference == ""


def test_there_are_no_two_of_one_name() -> None:
    assert len({path.stem for path in SCENARIOS}) == len(SCENARIOS)


# --- every war story is a scenario, or in the table that says why not --------------------------------------


def later() -> dict[str, tuple[str, str]]:
    """The stories that are no scenarios: what brings them, and why, by id."""
    lines = [line for line in LATER.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    table = {key: (subject, why) for key, subject, why in rows}
    assert len(table) == len(rows), "a story is listed twice"
    return table


def test_every_war_story_is_accounted_for() -> None:
    if not WAR_STORIES.exists():
        pytest.skip("../shared is not beside this project")
    ids = {story["id"] for story in json.loads(WAR_STORIES.read_text(encoding="utf-8"))}
    told = {path.stem for path in (HERE / "stories").glob("*.scenario")}
    assert len(ids) == 70
    assert told | set(later()) == ids
    assert not told & set(later())


@pytest.mark.parametrize("key", sorted(later()))
def test_the_table_names_a_subject_or_a_test_that_exists(key: str) -> None:
    subject, why = later()[key]
    assert why.endswith(".")
    place = subject.removeprefix("covered by ")
    if place == subject:
        assert subject in SUBJECTS
        return
    file, _, name = place.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted((HERE / "stories").glob("*.scenario")), ids=lambda path: path.stem)
def test_a_story_says_its_number_and_what_must_be_so(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# {path.stem}: ")
    assert re.search(r"^expect ", text, flags=re.MULTILINE)


# --- the notation ------------------------------------------------------------------------------------------


def read(text: str) -> Scenario:
    return parse(text, "it.scenario")


def inputs(text: str) -> list[Input]:
    """The inputs of a scenario's text."""
    steps = [block.step for block in read(text).blocks]
    return [step.cause.build() for step in steps if step is not None and step.cause is not None]


_TEXTS = {
    "raw": '{"a": [1, "b"]}\n',
    "reason": 'too late, "friend"',
    "trade_date": "2026-01-05",
    "corrects": "2027-01-05",
    "settlement_date": "2026-01-07",
}


def order(key: str = "A-1", side: str = "sell") -> OrderRequest:
    """An order with every field set to something that is not its default."""
    return OrderRequest(
        client_order_id=key,
        symbol="BTC/USD",
        side=side,  # type: ignore[arg-type]
        quantity=Decimal("1.5"),
        order_type="stop_limit",  # type: ignore[arg-type]
        price=Decimal(99),
        stop_price=Decimal("99.5"),
        time_in_force="gtd",  # type: ignore[arg-type]
        expire_ts_ns=90 * 10**9,
        strategy="two words",
        metadata={"desk": "fx", "who": 'says "so"'},  # type: ignore[arg-type]
    )


PAUSE = RiskResult(RiskDecision.PAUSE, "ask = wait # not", "size")
ALLOW = RiskResult(RiskDecision.ALLOW)


def sample(kind: type[Input]) -> Input:
    """An input with every field set to something that is not its default."""
    if kind is SubmitOrder:
        return SubmitOrder(ts_ns=3, actor="strategy:x", input_id="i", order=order(), verdict=PAUSE)
    if kind is ReleaseGroup:
        return ReleaseGroup(ts_ns=3, group_id="G 1", verdicts=(PAUSE, ALLOW))
    if kind is SubmitGroup:
        legs, verdicts = (order("T"), order("S")), (ALLOW, PAUSE, ALLOW)
        parent, bracket = order("P", "buy"), GroupKind.BRACKET
        return SubmitGroup(
            ts_ns=3, group_id="G1", kind=bracket, legs=legs, verdicts=verdicts, parent=parent, actor="me"
        )
    values: dict[str, Any] = {"ts_ns": 1_500_000_000}
    nested: dict[str, dict[str, Any]] = {}
    for name, (path, _, plain) in fields_of(kind).items():
        outer, _, inner = path.rpartition(".")
        (nested.setdefault(outer, {}) if outer else values)[inner] = _sample_value(name, plain)
    made = {"instrument": Instrument, "verdict": RiskResult}
    return kind(**values, **{name: made[name](**inner) for name, inner in nested.items()})


def _sample_value(name: str, kind: type[Any]) -> Any:
    if kind is str:
        return _TEXTS.get(name, f"-{name}=1")
    if issubclass(kind, StrEnum):
        return list(kind)[0 if name == "side" else -1]
    lots = (LotChoice("E 1", Decimal(2)),) if name == "lots" else ("2024-07-04",)
    split = Split(entry_id="S 1", symbol="A B", new=Decimal(2), old=Decimal("0.5"))
    return {Decimal: Decimal("0.0000001"), bool: True, int: 7, tuple: lots, Entry: split}[kind]


@pytest.mark.parametrize(
    "kind", [kind for kinds in KINDS.values() for kind in kinds.values()], ids=lambda kind: kind.__name__
)
def test_every_input_can_be_written_and_read_back(kind: type[Input]) -> None:
    cause = sample(kind)
    assert inputs(render(cause)) == [cause]


def test_every_request_and_report_has_a_word() -> None:
    kinds = {kind for of_mark in KINDS.values() for kind in of_mark.values()}
    assert set(requests.Request.__args__) | set(GroupRequest.__args__) <= kinds
    assert set(reports.VenueReport.__args__) <= kinds


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("< fill A E1 5 @ 100", {"quantity": 5, "price": 100, "symbol": "BTC/USD"}),
        (
            "< fill A E1 5 100 fee 0.1 USD sell",
            {"fee": Decimal("0.1"), "fee_currency": "USD", "side": "sell"},
        ),
        ("< fill - E1 5 @ 100 venue=V1", {"client_order_id": "", "venue_order_id": "V1"}),
        ("< fill A - 5 @ 100 cumulative=5", {"execution_id": "", "cumulative_quantity": 5}),
        ("< fill A E1 5 @ 100 remainder_cancelled", {"remainder_cancelled": True}),
        ('< reject A reason="no \\"more\\"" # late', {"reason": 'no "more"'}),
        ("< trade_cancel ref=E1 id=E9", {"execution_ref_id": "E1", "execution_id": "E9"}),
        ("< acknowledge A symbol=XYZ price=none", {"symbol": "XYZ", "price": None}),
        ("< restate A leaves=5 corporate_action", {"restatement": "corporate_action"}),
        ("@90s > close A", {"ts_ns": 90 * 10**9}),
        ("+1.5s > close A", {"ts_ns": 2_500_000_000}),
        ("> close A", {"ts_ns": 2 * 10**9}),
    ],
)
def test_a_line_says_this(line: str, fields: dict[str, object]) -> None:
    cause = inputs(f"{ORDER}{line}\n")[-1]
    assert {name: getattr(cause, name) for name in fields} == fields


def test_an_order_is_written_as_a_trader_says_it() -> None:
    text = HEADER + "> submit A sell 5 BTC/USD stop 95 gtd expires=@1h block rule=size metadata.desk=fx\n"
    (cause,) = inputs(text)
    assert isinstance(cause, SubmitOrder)
    assert cause.order == OrderRequest(
        client_order_id="A",
        symbol="BTC/USD",
        side="sell",  # type: ignore[arg-type]
        quantity=Decimal(5),
        order_type="stop",  # type: ignore[arg-type]
        stop_price=Decimal(95),
        time_in_force="gtd",  # type: ignore[arg-type]
        expire_ts_ns=3600 * 10**9,
        metadata={"desk": "fx"},  # type: ignore[arg-type]
    )
    assert cause.verdict == RiskResult(RiskDecision.BLOCK, "", "size")


def test_times_count_from_the_start() -> None:
    (cause,) = inputs("start 2026-01-05T14:30:00Z\n@1h > close A\n")
    assert cause.ts_ns == 1_767_627_000 * 10**9


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("submit A buy 5 BTC/USD\n", 1, "begins no line"),
        (f"{HEADER}> submt A\n", 2, "one of: submit, release, cancel"),
        (f"{HEADER}> submit A buy\n", 2, "> submit client_order_id side quantity symbol"),
        (f"{HEADER}> submit A bye 5 BTC/USD limit 100\n", 2, "one of: buy, sell"),
        (f"{HEADER}> submit A buy five BTC/USD limit 100\n", 2, "a number in digits"),
        (f"{ORDER}< fill A E1 5 @ 100 cum=5\n", 3, "cum is no field of it"),
        (f"{ORDER}< fill A E1 5 @ 100 price=99 price=98\n", 3, "price is given twice"),
        (f"{ORDER}< fill A E1 5 @ 100 fee=1 fee.x=2\n", 3, "fee.x has no keys"),
        (f"{ORDER}> submit B buy 5 BTC/USD metadata=[] metadata.a=b\n", 3, "metadata.a has no keys"),
        (f"{ORDER}< fill A E1 5 @ 100 quickly\n", 3, "'quickly' has no place here"),
        (f"{ORDER}< cancel_reject A\n", 3, "request_id is missing"),
        (f"{ORDER}< reject A owned=maybe\n", 3, "owned is no field of it"),
        (f"{ORDER}< acknowledge A owned=maybe\n", 3, "true or false"),
        (f'{ORDER}< reject A reason="too late\n', 3, "double quotes"),
        (f"{ORDER}+0.5ns > close A\n", 3, "no whole number of nanoseconds"),
        (f"{ORDER}+1s\n", 3, "begins no line"),
        (f"{ORDER}book other\n", 3, "belongs to the header"),
        (f"{ORDER}restart now\n", 3, "restart alone"),
        ("instrument BTC/USD\n", 1, "currency is missing"),
        ("instrument BTC/USD USD tick_size=0\n", 1, "tick_size"),
        ("cost_method dearest\n", 1, "average"),
        ("start 2026-01-05T14:30:00\n", 1, "no time zone"),
        ("start 9999-12-31T00:00:00Z\n", 1, "is no time"),
        ("book a b\n", 1, "takes one word"),
        ('book "a b"\n', 1, "is no id"),
        (f"{HEADER}{HEADER}", 2, "BTC/USD is defined twice"),
        (f'{HEADER}> submit_group G bracket leg="T sell 5"\n', 2, "symbol is missing"),
        ("# title\n    applied\n", 2, "an indented line is a trace"),
    ],
)
def test_what_cannot_be_read_is_named_by_file_and_line(text: str, line: int, said: str) -> None:
    with pytest.raises(InputFileError) as caught:
        read(text)
    assert str(caught.value).startswith(f"it.scenario:{line}: ")
    assert said in str(caught.value)
    assert "Expected: " in str(caught.value)


# --- running -----------------------------------------------------------------------------------------------


def trace(text: str) -> list[str]:
    """The lines that running a text adds below its last one, before the ledger."""
    lines = play(read(text)).text.splitlines()
    return [line.strip() for line in lines[lines.index(text.splitlines()[-1]) + 1 : lines.index("")]]


def test_a_refused_request_and_a_wrong_one_are_part_of_the_trace() -> None:
    assert trace(f"{ORDER}> submit A buy 6 BTC/USD limit 100\n") == [
        "raises DuplicateClientOrderId field=quantity code=duplicate_client_order_id"
    ]
    assert trace(f"{ORDER}> cancel B C1\n") == [
        "raises UnknownOrder field=client_order_id code=unknown_order"
    ]
    assert trace(f"{ORDER}< fill A E1 -5 @ 100\n") == [
        "raises InvalidQuantity field=quantity code=invalid_quantity"
    ]
    assert trace(f"{ORDER}> close A\n")[0] == "refused close_on_submitted"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("expect A FILLED sends=1", "state is SUBMITTED"),
        ("expect A SUBMITTED sends=2 leaves=5.0", "sends is 1"),
        ("expect A flags=held", "flags is none"),
        ("expect position BTC/USD 5", "quantity is 0"),
        ("expect position BTC/USD 0 fees.USD=1", "fees.USD is none"),
        ("expect cash USD 1", "amount is 0"),
        ("expect book orders=2 alerts=none", "orders is 1"),
        ("expect answer refused", "outcome is applied"),
        ("expect answer applied events=order_created", "events is order_created,order_submitted"),
        ("expect B FILLED", "B is no order; expect an order, or answer, position, cash, group, book"),
        ("expect position XYZ 5", "symbol: 'XYZ' is not defined. Define the instrument first"),
        ("expect group G WORKING", "group_id: 'G' is no group of this book. Check the id and the book"),
    ],
)
def test_an_expectation_that_does_not_hold_says_what_is(line: str, problem: str) -> None:
    played = play(read(f"{ORDER}{line}\n"))
    assert played.problems == (f"it.scenario:3: {line}: {problem}",)
    assert f"\n{line}\n" in played.text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("expect A colour=red", "colour cannot be asked about"),
        ("expect A FILLED now", "no more than 1"),
        ("expect", "of nothing"),
    ],
)
def test_an_expectation_that_cannot_be_asked_is_unreadable(line: str, said: str) -> None:
    with pytest.raises(InputFileError, match=r"^it\.scenario:3: ") as caught:
        play(read(f"{ORDER}{line}\n"))
    assert said in str(caught.value)


def test_nothing_was_answered_before_the_first_input() -> None:
    with pytest.raises(InputFileError, match="nothing was answered yet"):
        play(read("expect answer applied\n"))


def test_a_core_that_breaks_is_a_problem_and_ends_the_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    text = play(read(f"{ORDER}> cancel A C1\n> cancel A C2\n")).text

    def breaks(state: BookState) -> None:
        if state.orders.get("A").pending_cancels:
            raise KeyError("gone")

    monkeypatch.setattr(scenario, "check", breaks)
    played = play(read(text))
    assert played.problems == ("it.scenario:8: KeyError: 'gone'",)
    kept = text[text.index("> cancel A C2") :]
    assert played.text.endswith(f"> cancel A C1\n    breaks KeyError\n{kept}")


def test_a_restart_that_gives_another_book_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def loses(state: BookState, event: Any, ts_ns: int) -> Any:
        return None if isinstance(event, OrderAcknowledged) else BookState.apply(state, event, ts_ns)

    text = f"{ORDER}< acknowledge A venue=V1\nrestart\n"
    monkeypatch.setattr(scenario, "BookState", type("Lossy", (BookState,), {"apply": loses}))
    (problem,) = play(read(text)).problems
    assert (
        "it.scenario:4: InvariantViolation: replayed from its events, the book differs in orders" in problem
    )


# --- the command line --------------------------------------------------------------------------------------

WRITTEN = (
    "# a title,  with spaces  \n"
    f"{HEADER}\n"
    ">   submit A buy 5   BTC/USD limit 100   # asked\n"
    "\n"
    "# between\n"
    "< acknowledge A venue=V1\n"
    "expect A ACKNOWLEDGED\n"
)


def test_a_rewrite_keeps_every_line_of_a_person_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "it.scenario"
    path.write_bytes(WRITTEN.encode())
    assert main([str(path)]) == 1
    assert path.read_bytes() == WRITTEN.encode()
    assert main([str(path), "--rewrite"]) == 0
    first = path.read_text(encoding="utf-8")
    kept = [line for line in first.splitlines(keepends=True) if not line.startswith("    ")]
    assert "".join(kept) == WRITTEN + "\nledger\n"
    assert main([str(path)]) == 0
    assert main([str(path), "--rewrite"]) == 0
    assert path.read_text(encoding="utf-8") == first


def test_the_ends_of_lines_stay_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "it.scenario"
    path.write_bytes(WRITTEN.replace("\n", "\r\n").encode())
    main([str(path), "--rewrite"])
    data = path.read_bytes()
    assert data.count(b"\n") == data.count(b"\r\n") > 10
    assert main([str(path)]) == 0


def test_a_changed_trace_is_shown_as_a_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "it.scenario"
    path.write_text(play(read(WRITTEN)).text.replace("venue_order_id=V1", "venue_order_id=V2"))
    assert main([str(path)]) == 1
    out = capsys.readouterr().out
    assert f"differs {path.as_posix()}\n" in out
    assert "\n-    event order_acknowledged A venue_order_id=V2\n" in out
    assert "\n+    event order_acknowledged A venue_order_id=V1\n" in out
    assert out.endswith("1 differs\n")


def test_an_expectation_is_never_rewritten_and_stays_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "it.scenario"
    path.write_text(WRITTEN.replace("ACKNOWLEDGED", "FILLED"))
    assert main([str(path), "--rewrite"]) == 1
    assert "\nexpect A FILLED\n" in path.read_text()
    assert main([str(path)]) == 1


def test_a_directory_stands_for_its_scenarios_and_the_worst_decides(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.scenario").write_text(play(read(WRITTEN)).text)
    (tmp_path / "deep" / "b.scenario").write_text(WRITTEN)
    (tmp_path / "c.scenario").write_text("what is this\n")
    (tmp_path / "notes.txt").write_text("not one\n")
    assert main([str(tmp_path), "--json"]) == 2
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = {Path(line["file"]).name: line["status"] for line in lines}
    assert found == {"a.scenario": "same", "b.scenario": "differs", "c.scenario": "unreadable"}
    assert main([str(tmp_path / "a.scenario"), str(tmp_path / "deep")]) == 1
    assert main([str(tmp_path / "a.scenario")]) == 0


def test_what_is_not_there_is_unreadable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bytes.scenario").write_bytes(b"\xff\xfe")
    assert main([str(tmp_path / "missing.scenario")]) == 2
    assert main([str(tmp_path / "bytes.scenario")]) == 2
    assert "cannot be read" in capsys.readouterr().out
    (tmp_path / "empty").mkdir()
    assert main([str(tmp_path / "empty")]) == 2
    assert "no scenario here" in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2


def test_a_rewrite_that_fails_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "it.scenario"
    path.write_text(WRITTEN)
    path.chmod(0o640)

    def write_half(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", write_half)
        assert main([str(path), "--rewrite"]) == 2
    assert "cannot be written" in capsys.readouterr().out
    assert path.read_text() == WRITTEN
    assert list(tmp_path.iterdir()) == [path]
    assert main([str(path), "--rewrite"]) == 0
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_breaks_the_runner_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.scenario").write_text(play(read(WRITTEN)).text)

    def breaks(text: str, name: str) -> Scenario:
        if name.endswith("a.scenario"):
            raise RecursionError("too deep")
        return parse(text, name)

    monkeypatch.setattr(scenario, "parse", breaks)
    (tmp_path / "empty").mkdir()
    assert main([str(tmp_path / "empty"), str(tmp_path)]) == 2
    out = capsys.readouterr().out
    assert "RecursionError: too deep" in out
    assert out.endswith("2 unreadable, 1 same\n")


def program(path: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "execore.testing.scenario", str(path)]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **options)


def test_it_writes_to_any_terminal(tmp_path: Path) -> None:
    path = tmp_path / "it.scenario"
    path.write_text(WRITTEN.replace("# asked", "# caf\u00e9 \x1b[31m"), encoding="utf-8")
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = program(path, stdout=subprocess.PIPE, env=environment)
    assert (done.returncode, done.stderr) == (1, "")
    assert "# caf\\xe9 \\x1b[31m" in done.stdout


def test_output_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    path = tmp_path / "it.scenario"
    path.write_text(WRITTEN)
    with Path("/dev/full").open("w") as full:
        done = program(path, stdout=full)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("system_error: ")


def test_a_reader_who_has_seen_enough_is_no_failure(tmp_path: Path) -> None:
    path = tmp_path / "it.scenario"
    path.write_text(WRITTEN)
    reading, writing = os.pipe()
    os.close(reading)
    done = program(path, stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_it_is_a_program(tmp_path: Path) -> None:
    path = tmp_path / "it.scenario"
    path.write_text(play(read(WRITTEN)).text)
    command = [sys.executable, "-W", "error", "-m", "execore.testing.scenario", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 same\n", "")


# --- the page ----------------------------------------------------------------------------------------------


def test_the_worked_example_of_the_page_is_what_runs() -> None:
    page = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
    written, became, *_ = re.findall(r"^```text\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE)
    played = play(read(written))
    assert played.problems == ()
    assert played.text == became
    assert play(read(became)).text == became


def test_the_page_names_every_line_and_outcome() -> None:
    page = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
    for word in ("instrument", "book", "cost_method", "start", "restart", "ledger", "expect"):
        assert f"`{word}" in page
    for status in ("same", "rewritten", "differs", "unreadable"):
        assert f"`{status}`" in page
