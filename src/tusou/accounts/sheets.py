"""Bills and calls as the rows of a spreadsheet, and rows as CSV."""

import csv
import io
from collections.abc import Iterable, Sequence

from tusou.accounts.billing import Bill
from tusou.accounts.money import plain
from tusou.accounts.statistics import Total

Rows = Sequence[Sequence[object]]

LINE = ("kind", "service", "operation", "calls", "failed", "free", "packaged", "metered")
"""What a line of a bill begins with."""


def bills(made: Iterable[Bill]) -> Rows:
    """One row a line; no row of sums, which a spreadsheet would add up again."""
    head = ("month", "app_id", "name", *LINE, "amount", "currency", "note")
    rows = [
        (
            bill.month,
            bill.app_id,
            # A spreadsheet takes a name that begins so for a formula.
            f"'{bill.name}" if bill.name[:1] in "=+-@\t\r" else bill.name,
            *line[: len(LINE)],
            plain(line.amount),
            bill.currency,
            line.note,
        )
        for bill in made
        for line in bill.lines
    ]
    return [head, *rows]


def calls(found: Iterable[Total]) -> Rows:
    """One row an application, service, call, outcome and period."""
    rows = [(str(row.app_id), *row[1:4], str(row.code), row.calls) for row in found]
    return [Total._fields, *rows]


def as_csv(rows: Rows) -> str:
    """Rows as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
