"""A clock that is set by hand."""


class Clock:
    """Says what it was told."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """UTC seconds."""
        return self.now
