"""A view of a server as lines of text, as many and as long as a terminal has room for."""

from collections.abc import Sequence

from tusou.top.view import View

_LIBRARIES = 3
"""Lines that libraries have at least, where there are so many."""


def draw(shown: View, address: str, width: int = 100, height: int = 1 << 16) -> list[str]:
    """The lines; what finds no room is left out from the end, and said so."""
    head = [*_state(shown, address), ""]
    calls = _table(
        ("calls", "", "a second", "calls", "failed", "p50", "p95"),
        [
            (
                row.service,
                row.operation,
                f"{row.rate:.1f}",
                f"{row.calls:,}",
                f"{row.failed:,}",
                _time(row.p50),
                _time(row.p95),
            )
            for row in shown.calls
        ],
    )
    stages = _table(
        ("stage", "share", "p50", "p95"),
        [(row.stage, f"{row.share:.0%}", _time(row.p50), _time(row.p95)) for row in shown.stages],
    )
    failures = _table(
        ("failed", "code", ""),
        [(f"{row.calls:,}", str(row.code), row.message) for row in shown.failures],
        right=0,
    )
    lines = [*head, *_beside(calls or ["no calls"], stages, width), *_after(failures)]
    libraries = _table(
        ("library", "", "pictures", "of", "in the index"),
        [
            (
                row.app_id,
                row.service,
                f"{row.pictures:,}",
                f"{row.capacity:,}",
                "not loaded" if row.indexed is None else f"{row.indexed:,}",
            )
            for row in shown.libraries
        ],
    )
    room = max(height - len(lines) - 1, _LIBRARIES + 1)
    if len(libraries) > room:
        left = len(libraries) - room + 1
        libraries = [*libraries[: room - 1], f"… and {left:,} smaller ones"]
    return [line[:width] for line in (*lines, *_after(libraries))][:height]


def _state(shown: View, address: str) -> list[str]:
    troubles = [
        word
        for word, wrong in (
            ("STARTING", not shown.ready),
            ("DATABASE DOWN", not shown.database),
        )
        if wrong
    ]
    state = ", ".join(troubles) or "ready"
    free = "" if shown.disk_free_bytes is None else f"   disk free {_size(shown.disk_free_bytes)}"
    run = "" if shown.pictures_a_run is None else f", {shown.pictures_a_run:.1f} pictures a run"
    return [
        f"tusou {shown.version} at {address}: {state}, up {_span(shown.up_seconds)}"
        f"   (of the last {_span(shown.seconds)})",
        f"cores {shown.cores:.2f}   memory {_size(shown.memory_bytes)}"
        f"   open files {shown.open_files:,}{free}",
        f"requests {shown.inside}: {shown.running} of {shown.threads} at work, "
        f"{shown.waiting} waiting, bodies {_size(shown.body_bytes)}"
        f"   encoder: {shown.encoder_waiting} waiting{run}",
    ]


def _table(
    head: tuple[str, ...], rows: Sequence[tuple[str, ...]], right: int | None = None
) -> list[str]:
    """Columns side by side; numbers, and what stands over them, to the right."""
    if not rows:
        return []
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    numbers = {
        column
        for column in range(1, len(head))
        if right is None and any(row[column][:1].isdigit() for row in rows)
    }
    return [
        "  ".join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def _beside(left: list[str], right: list[str], width: int) -> list[str]:
    """Two blocks side by side, or one below the other where there is no room."""
    edge = max(map(len, left)) + 4
    if edge + max(map(len, right), default=0) > width:
        return [*left, *_after(right)]
    rows = max(len(left), len(right))
    left, right = [*left, *[""] * (rows - len(left))], [*right, *[""] * (rows - len(right))]
    return [(a.ljust(edge) + b).rstrip() for a, b in zip(left, right, strict=True)]


def _after(block: list[str]) -> list[str]:
    return ["", *block] if block else []


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _span(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _size(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
