"""What is shown of a server: the rows, as scripts get them too."""

from dataclasses import dataclass

from tusou.errors import Problem
from tusou.stages import STAGES
from tusou.top.readings import Reading


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of one service and operation."""

    service: str
    operation: str
    calls: int
    rate: float
    """A second."""
    failed: int
    p50: float | None
    """Seconds."""
    p95: float | None


@dataclass(frozen=True, slots=True)
class StageTime:
    """What all calls spent in one stage."""

    stage: str
    share: float
    """Of the time of all calls."""
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class Failure:
    """Calls that ended with one code."""

    code: int
    message: str
    calls: int


@dataclass(frozen=True, slots=True)
class Shelf:
    """A library."""

    app_id: str
    service: str
    pictures: int
    capacity: int
    indexed: int | None
    """None: its index is not loaded."""


@dataclass(frozen=True, slots=True)
class View:
    """A server, over some seconds."""

    version: str
    seconds: float
    """That rates, times and failures are of."""
    up_seconds: float
    ready: bool
    database: bool
    cores: float
    memory_bytes: int
    open_files: int
    disk_free_bytes: int | None
    inside: int
    running: int
    threads: int
    waiting: int
    body_bytes: int
    encoder_waiting: int
    pictures_a_run: float | None
    calls: list[Calls]
    stages: list[StageTime]
    failures: list[Failure]
    libraries: list[Shelf]


def view(now: Reading, before: Reading | None, seconds: float, clock: float) -> View:
    """Put together what is shown.

    Args:
        now: The last reading.
        before: An earlier one; None: show what there was since the server's start.
        seconds: Between the two.
        clock: Seconds since 1970.
    """
    up = max(0.0, clock - now.total("process_start_time_seconds"))
    fresh = now.since(before)
    if fresh is now:
        seconds = up
    span = max(seconds, 1e-3)
    ((version,),) = now.groups("tusou_build_info", "version")
    runs = fresh.total("tusou_encoder_batch_pictures_count")
    encoded = fresh.total("tusou_encoder_batch_pictures_sum")
    disk = now.total("tusou_disk_free_bytes")
    return View(
        version=version,
        seconds=round(seconds, 3),
        up_seconds=round(up),
        ready=bool(now.total("tusou_ready")),
        database=bool(now.total("tusou_database_up")),
        cores=round(fresh.total("process_cpu_seconds_total") / span, 2),
        memory_bytes=int(now.total("process_resident_memory_bytes")),
        open_files=int(now.total("process_open_fds")),
        disk_free_bytes=int(disk) if "tusou_disk_free_bytes" in now.values else None,
        inside=int(now.total("tusou_requests_inside")),
        running=int(now.total("tusou_requests_running")),
        threads=int(now.total("tusou_threads")),
        waiting=int(now.total("tusou_requests_waiting")),
        body_bytes=int(now.total("tusou_body_bytes")),
        encoder_waiting=int(now.total("tusou_encoder_waiting")),
        pictures_a_run=_rounded(encoded / runs if runs else None),
        calls=_calls(fresh, span),
        stages=_stages(fresh),
        failures=_failures(fresh),
        libraries=_libraries(now),
    )


def _calls(fresh: Reading, span: float) -> list[Calls]:
    counts = fresh.groups("tusou_calls_total", "service", "operation")
    good = fresh.groups("tusou_calls_total", "service", "operation", code="0")
    rows = [
        Calls(
            service,
            operation,
            int(calls),
            round(calls / span, 2),
            int(calls - good.get((service, operation), 0.0)),
            *_times(fresh, "tusou_call_seconds", service=service, operation=operation),
        )
        for (service, operation), calls in counts.items()
        if calls
    ]
    return sorted(rows, key=lambda row: (-row.calls, row.service, row.operation))


def _stages(fresh: Reading) -> list[StageTime]:
    whole = fresh.total("tusou_call_seconds_sum") or 1.0
    return [
        StageTime(
            stage,
            round(fresh.total("tusou_stage_seconds_sum", stage=stage) / whole, 3),
            *_times(fresh, "tusou_stage_seconds", stage=stage),
        )
        for stage in STAGES
        if fresh.total("tusou_stage_seconds_count", stage=stage)
    ]


def _times(fresh: Reading, name: str, **labels: str) -> tuple[float | None, float | None]:
    p50, p95 = fresh.quantile(0.5, name, **labels), fresh.quantile(0.95, name, **labels)
    return _rounded(p50), _rounded(p95)


def _failures(fresh: Reading) -> list[Failure]:
    messages = {str(problem.code): problem.message for problem in Problem}
    rows = [
        Failure(int(code), messages.get(code, ""), int(calls))
        for (code,), calls in fresh.groups("tusou_calls_total", "code").items()
        if code != "0" and calls
    ]
    return sorted(rows, key=lambda row: (-row.calls, row.code))


def _libraries(now: Reading) -> list[Shelf]:
    key = ("app_id", "service")
    capacity = now.groups("tusou_library_capacity", *key)
    indexed = now.groups("tusou_index_rows", *key)
    rows = [
        Shelf(
            app_id,
            service,
            int(size),
            int(capacity.get((app_id, service), 0)),
            _whole(indexed.get((app_id, service))),
        )
        for (app_id, service), size in now.groups("tusou_library_pictures", *key).items()
    ]
    return sorted(rows, key=lambda row: (-row.pictures, row.app_id, row.service))


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 6)


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
