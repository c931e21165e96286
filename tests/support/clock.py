"""A clock that tests set."""


class Clock:
    """Stands still unless it is moved; begins ten minutes past an hour."""

    def __init__(self, now: float = 1_800_000_600.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
