"""Bills and calls as CSV."""

import csv
import io
from decimal import Decimal

from tusou.accounts import sheets
from tusou.accounts.billing import Bill, Line
from tusou.accounts.statistics import Total


def _read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_bill_has_a_row_a_line_and_no_formula() -> None:
    line = Line("calls", "similar", "add", 10, 1, 2, 3, 5, Decimal("0.105"), 'a "note", with\nmore')
    bill = Bill(7, '=HYPERLINK("x")', "2026-11", "CNY", False, (line,))
    (row,) = _read(sheets.as_csv(sheets.bills([bill])))
    assert row["name"] == '\'=HYPERLINK("x")'
    assert (row["amount"], row["metered"], row["note"]) == ("0.105", "5", line.note)


def test_calls_have_a_row_an_outcome() -> None:
    found = [Total(7, "similar", "add", "2026-11-22", code, 3) for code in (0, 18)]
    rows = _read(sheets.as_csv(sheets.calls(found)))
    assert [(row["app_id"], row["code"], row["calls"]) for row in rows] == [
        ("7", "0", "3"),
        ("7", "18", "3"),
    ]
