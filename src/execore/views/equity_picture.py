"""Equity over time as a picture: a line of block characters, or an SVG file. Only for looking: it rounds."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final
from xml.sax.saxutils import escape

from execore.model.money import text_of

Points = Sequence[tuple[str, Decimal | None]]
"""Days, and equity at their ends; None: not known."""

_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_WIDTH: Final = 800
_HEIGHT: Final = 240
_MARGIN: Final = 24


def sparkline(points: Points, width: int = 60) -> str:
    """A line of at most ``width`` characters; a day of which equity is not known is a space."""
    shown = (
        [points[place * len(points) // width] for place in range(width)] if len(points) > width else points
    )
    known = [equity for _, equity in shown if equity is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    return "".join(" " if equity is None else _BLOCKS[_step(equity, low, high, 7)] for _, equity in shown)


def _step(equity: Decimal, low: Decimal, high: Decimal, steps: int) -> int:
    return steps // 2 if high == low else int((equity - low) * steps / (high - low))


def svg(points: Points, title: str) -> str:
    """The same as an SVG picture; where equity is not known the line has a gap."""
    known = [equity for _, equity in points if equity is not None]
    low, high = (min(known), max(known)) if known else (Decimal(0), Decimal(0))
    lines: list[list[str]] = [[]]
    for place, (_, equity) in enumerate(points):
        if equity is None:
            lines.append([])
            continue
        x = _MARGIN + place * (_WIDTH - 2 * _MARGIN) / max(len(points) - 1, 1)
        y = _HEIGHT - _MARGIN - _step(equity, low, high, _HEIGHT - 3 * _MARGIN)
        lines[-1].append(f"{x:.1f},{y}")
    drawn = "".join(
        f'<polyline fill="none" stroke="#1f6feb" stroke-width="1.5" points="{" ".join(line)}"/>\n'
        for line in lines
        if line
    )
    first, last = (points[0][0], points[-1][0]) if points else ("", "")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="11">\n'
        f"<title>{escape(title)}</title>\n"
        f'<text x="{_MARGIN}" y="16">{escape(title)}: {text_of(low)} to {text_of(high)}</text>\n'
        f"{drawn}"
        f'<text x="{_MARGIN}" y="{_HEIGHT - 6}">{escape(first)}</text>\n'
        f'<text x="{_WIDTH - _MARGIN}" y="{_HEIGHT - 6}" text-anchor="end">{escape(last)}</text>\n'
        "</svg>\n"
    )
