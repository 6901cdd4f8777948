"""Tables of texts, for a terminal and for a notebook."""

from collections.abc import Sequence
from html import escape

__all__ = ["as_html", "as_text"]

Line = Sequence[str]


def as_text(heads: Line, lines: Sequence[Line], numbers: int, notes: Sequence[str]) -> str:
    """A table in columns.

    Args:
        heads: names of the columns.
        lines: a text for each column; indentation shows.
        numbers: how many of the last columns are numbers, which are set to the right.
        notes: lines that follow.
    """
    widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
    first = len(heads) - numbers

    def row(line: Line) -> str:
        cells = [
            text.ljust(width) if place < first else text.rjust(width)
            for place, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return "\n".join([row(heads), rule, *map(row, lines), rule, *notes])


def as_html(heads: Line, lines: Sequence[Line], numbers: int, notes: Sequence[str]) -> str:
    """The same as an HTML table; nothing in the texts is taken for markup."""
    first = len(heads) - numbers

    def cell(tag: str, place: int, text: str) -> str:
        side = "left" if place < first else "right"
        return f'<{tag} style="text-align: {side}; white-space: pre">{escape(text)}</{tag}>'

    def row(tag: str, line: Line) -> str:
        return f"<tr>{''.join(cell(tag, place, text) for place, text in enumerate(line))}</tr>"

    foot = [f'<tr><td colspan="{len(heads)}" style="text-align: left">{escape(note)}</td></tr>' for note in notes]
    parts = (("thead", [row("th", heads)]), ("tbody", [row("td", line) for line in lines]), ("tfoot", foot))
    return "\n".join(["<table>", *["\n".join([f"<{tag}>", *rows, f"</{tag}>"]) for tag, rows in parts], "</table>"])
