"""Where hours, days and months begin: the clock of the place that bills are made for."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Literal

HOUR = 3600
DAY = 24 * HOUR

Period = Literal["hour", "day", "month"]


def hour_of(second: float) -> int:
    """The first second of the hour that a second lies in."""
    return int(second) // HOUR * HOUR


@dataclass(frozen=True, slots=True)
class Calendar:
    """Turns UTC seconds into days and months of a place without summer time.

    Its distance from UTC is whole hours, so that an hour here is an hour there and a bill never
    has to split one.
    """

    utc_offset_hours: int

    @property
    def _zone(self) -> timezone:
        return timezone(timedelta(hours=self.utc_offset_hours))

    def local(self, second: float) -> datetime:
        """The time on the wall."""
        return datetime.fromtimestamp(second, UTC).astimezone(self._zone)

    def begin(self, day: date) -> int:
        """The first second of a day."""
        return int(datetime(day.year, day.month, day.day, tzinfo=self._zone).timestamp())

    def month_of(self, second: float) -> int:
        """The first second of the month that a second lies in."""
        return self.begin(self.local(second).date().replace(day=1))

    def month(self, text: str) -> tuple[int, int]:
        """First second of a month written `2026-11`, and of the one after it.

        Raises:
            ValueError: it is not written so.
        """
        try:
            first = datetime.strptime(text, "%Y-%m").date()
        except ValueError:
            raise ValueError(f"{text[:20]!r} is no month; write it as 2026-11") from None
        return self.begin(first), self.begin(months_later(first, 1))

    def same_time_months_later(self, second: int, months: int) -> int:
        """The same time of day some months later, or on the last day of a month that is short."""
        now = self.local(second)
        day = months_later(now.date(), months)
        return int(now.replace(year=day.year, month=day.month, day=day.day).timestamp())

    def name(self, second: float, period: Period) -> str:
        """`2026-11-22T10`, `2026-11-22` or `2026-11`."""
        form = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "month": "%Y-%m"}[period]
        return self.local(second).strftime(form)


def months_later(day: date, months: int) -> date:
    """The same day some months later, or the last day of a month that is short."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
