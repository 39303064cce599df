"""The pages that show the order state machine, generated from the table and from real transitions.

``python -m execore.testing.coverage_page`` writes ``docs/state_machine.md`` (diagrams that GitHub draws) and
``docs/state_machine_coverage.md`` (every state and input); ``--check`` only says whether they are up to date.

Nothing is drawn that did not happen: every cell is driven with the orders and inputs of
``transition_samples``, and an arrow is there because a sample order went that way.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from execore.core.decisions import decide
from execore.core.transition_table import RULES, OrderInput, Reaction, Rule
from execore.model import effects
from execore.model.answers import Answer, Outcome
from execore.model.orders import Order
from execore.model.vocabulary import OrderState
from execore.testing.transition_samples import KEY, LIVES, SAMPLES, ledger_after

COMMAND: Final = "uv run python -m execore.testing.coverage_page"
DIAGRAM_PAGE: Final = "state_machine.md"
COVERAGE_PAGE: Final = "state_machine_coverage.md"
STATES: Final = tuple(RULES[OrderInput.SUBMIT])
"""The states in the table's order."""

# --- what happens ------------------------------------------------------------------------------------------


class Walk(msgspec.Struct, frozen=True):
    """One sample order, one sample input, what was answered, and the order afterwards."""

    rule: Rule
    before: Order
    answer: Answer
    after: Order


def walk(state: OrderState, order_input: OrderInput) -> Iterator[Walk]:
    """Drive one cell of the table with every sample that fits it."""
    for life in LIVES[state]:
        for cause in SAMPLES[order_input]:
            ledger = ledger_after(life)
            before = ledger.get(KEY)
            answer = decide(ledger, before, cause)
            ledger.apply_answer(answer, 0)
            yield Walk(RULES[order_input][state], before, answer, ledger.get(KEY))


def reached(state: OrderState, order_input: OrderInput, alerted: bool | None = None) -> list[OrderState]:
    """The states that sample orders of this cell went to, in the table's order; empty if none did.

    Args:
        alerted: count only those that went with an alert, or only those that went without.
    """
    to = {
        step.after.state
        for step in walk(state, order_input)
        if step.answer.outcome is Outcome.APPLIED and alerted in (None, is_alerted(step.answer))
    }
    return [word for word in STATES if word in to]


def is_alerted(answer: Answer) -> bool:
    """Whether somebody is told."""
    return any(isinstance(effect, effects.Alert) for effect in answer.effects)


# --- the pages ----------------------------------------------------------------------------------------------

_HEAD: Final = f"<!-- Generated: change the table or the generator, then run `{COMMAND}` -->\n"
_LEGEND: Final = {
    Reaction.APPLY: "applied",
    Reaction.APPLY_AND_ALERT: "applied, and a person is alerted",
    Reaction.ALREADY_DONE: "already done: success, no second event",
    Reaction.IGNORE: "knowingly ignored: late, and overtaken by better evidence",
    Reaction.PARK: "parked as an open break, and alerted",
    Reaction.REFUSE: "refused with a reason; nothing changes",
}


def coverage_page() -> str:
    """The text of ``state_machine_coverage.md``."""
    cells = len(OrderInput) * len(STATES)
    parts = [
        _HEAD,
        "# Every state, every input\n",
        f"{len(OrderInput)} inputs × {len(STATES)} states: {cells} cells, and nothing falls through. "
        "`tests/core/test_transition_table.py` walks every one of them against an expectation written by "
        "hand. *Becomes* lists the states that sample orders really went to. *By content* lists other "
        "answers of the same cell: a request already pending, terms that say nothing new, a quantity "
        "already booked.\n",
        "| | meaning |\n|---|---|\n"
        + "".join(f"| `{reaction.value}` | {text} |\n" for reaction, text in _LEGEND.items()),
        "| input | " + " | ".join(_short(state) for state in STATES) + " |\n"
        "|---|" + "---|" * len(STATES) + "\n" + "".join(map(_grid_row, OrderInput)),
        *map(_section, OrderInput),
    ]
    return "\n".join(parts)


def _short(state: OrderState) -> str:
    return state.value.replace("_", " ").lower()


def _grid_row(order_input: OrderInput) -> str:
    cells = (f"`{RULES[order_input][state].reaction.value}`" for state in STATES)
    return f"| {order_input} | " + " | ".join(cells) + " |\n"


def _section(order_input: OrderInput) -> str:
    head = f"## {order_input}\n\n| state | | becomes | by content | why |\n|---|---|---|---|---|\n"
    return head + "".join(_row(RULES[order_input][state]) for state in STATES)


def _row(rule: Rule) -> str:
    becomes = ", ".join(reached(rule.state, rule.input))
    others = {step.answer.outcome for step in walk(rule.state, rule.input)} if rule.applies else set()
    by_content = ", ".join(o.replace("_", " ") for o in Outcome if o in others - {Outcome.APPLIED})
    return f"| {rule.state} | `{rule.reaction.value}` | {becomes} | {by_content} | {rule.why} |\n"


def diagram_page() -> str:
    """The text of ``state_machine.md``."""
    return "\n".join(
        [
            _HEAD,
            "# The order state machine\n",
            "Drawn from real transitions: an arrow is there because a sample order went that way. Inputs "
            f"that leave the state as it is are not drawn; [every cell]({COVERAGE_PAGE}) has its reason.\n",
            "## As it should go\n",
            _diagram("[*] --> CREATED", alerted=False),
            "## As it goes now and then\n",
            "Reports are facts: these are applied as well, and a person is alerted.\n",
            _diagram(alerted=True),
        ]
    )


def _diagram(*first: str, alerted: bool) -> str:
    arrows: dict[tuple[OrderState, OrderState], list[str]] = {}
    for order_input in OrderInput:
        for state in STATES:
            for to in reached(state, order_input, alerted):
                arrows.setdefault((state, to), []).append(order_input.value)
    lines = [*first] + [
        f"{state} --> {to}: {', '.join(arrows[state, to])}"
        for state in STATES
        for to in STATES
        if (state, to) in arrows and state is not to
    ]
    return "```mermaid\nstateDiagram-v2\n" + "".join(f"    {line}\n" for line in lines) + "```\n"


def pages() -> dict[str, str]:
    """The generated pages by file name."""
    return {DIAGRAM_PAGE: diagram_page(), COVERAGE_PAGE: coverage_page()}


def outdated(directory: Path) -> list[str]:
    """The names of the pages in ``directory`` that are not what would be generated."""
    return [
        name
        for name, text in pages().items()
        if not (directory / name).is_file() or (directory / name).read_text(encoding="utf-8") != text
    ]


def main() -> None:
    """Write the pages into ``docs``, or check them."""
    parser = argparse.ArgumentParser(description="The state machine's pages, from its table.")
    parser.add_argument("--directory", type=Path, default=Path("docs"), help="where they lie (docs)")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if one is out of date")
    options = parser.parse_args()
    if options.check:
        stale = outdated(options.directory)
        sys.exit(f"out of date: {', '.join(stale)}. Run `{COMMAND}`" if stale else 0)
    for name, text in pages().items():
        (options.directory / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
