"""Where hours, days and months begin."""

from datetime import UTC, date, datetime

import pytest

from tusou.accounts.calendar import DAY, HOUR, Calendar, hour_of, months_later

BEIJING = Calendar(8)


def _utc(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[misc, arg-type]


def test_a_month_begins_at_midnight_of_the_place() -> None:
    assert BEIJING.month("2026-11") == (_utc(2026, 10, 31, 16), _utc(2026, 11, 30, 16))
    assert BEIJING.month("2026-12")[1] == BEIJING.month("2027-01")[0]
    begin, end = BEIJING.month("2028-02")
    assert end - begin == 29 * DAY
    assert BEIJING.month_of(begin - 1) == BEIJING.month("2028-01")[0]
    assert BEIJING.month_of(begin) == BEIJING.month_of(end - 1) == begin
    assert Calendar(0).month("2026-11")[0] == _utc(2026, 11, 1)


@pytest.mark.parametrize("text", ["", "2026", "2026-13", "2026-11-01", "11-2026", "٢٠٢٦-x"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write it as 2026-11"):
        BEIJING.month(text)


def test_months_later_is_the_same_day_or_the_last_of_a_short_month() -> None:
    assert months_later(date(2026, 1, 31), 1) == date(2026, 2, 28)
    assert months_later(date(2028, 2, 29), 12) == date(2029, 2, 28)
    assert months_later(date(2026, 11, 22), 12) == date(2027, 11, 22)
    assert months_later(date(2026, 11, 30), 2) == date(2027, 1, 30)
    evening = _utc(2026, 11, 22, 18, 30, 5)  # the 23rd in Beijing
    assert BEIJING.same_time_months_later(evening, 12) == _utc(2027, 11, 22, 18, 30, 5)


def test_periods_are_named_by_the_clock_of_the_place() -> None:
    second = _utc(2026, 12, 31, 17, 59)
    assert hour_of(second + 0.7) == _utc(2026, 12, 31, 17)
    assert [BEIJING.name(second, period) for period in ("hour", "day", "month")] == [
        "2027-01-01T01",
        "2027-01-01",
        "2027-01",
    ]
    assert BEIJING.begin(date(2027, 1, 1)) == _utc(2026, 12, 31, 16) == hour_of(second) - HOUR
