"""`/metrics` for Prometheus: what requests did, and how the server is when it is asked."""

import platform
import shutil
from collections.abc import Iterable, Iterator

from fastapi import APIRouter
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Info,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from tusou import __version__
from tusou.accounts.quotas import QUOTA_PROBLEMS
from tusou.errors import Problem, TusouError
from tusou.runtime import Runtime
from tusou.web.networks import holds
from tusou.web.queue import Queue
from tusou.web.watch import Seen

_CALL = ("service", "operation")
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10)
_STAGE_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_LIMITS = {problem.code: problem.name.lower() for problem in QUOTA_PROBLEMS}


class Metrics:
    """What is counted as requests end, and the route that tells it."""

    def __init__(self, runtime: Runtime, queue: Queue) -> None:
        self._allowed = runtime.settings.metrics_allow
        self._queue = queue
        # They would be a third of all series, and nobody asks for them.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        # Of its own: the library's is one for the whole process.
        self._registry = CollectorRegistry()
        registry = self._registry
        self._requests = Counter(
            "tusou_http_requests", "Requests answered.", ("interface", "status"), registry=registry
        )
        self._calls = Counter(
            "tusou_calls",
            "Calls answered, by outcome: 0, or the code of the error.",
            ("interface", *_CALL, "code"),
            registry=registry,
        )
        self._refusals = Counter(
            "tusou_quota_refusals",
            "Calls refused by a quota.",
            (*_CALL, "limit"),
            registry=registry,
        )
        self._seconds = Histogram(
            "tusou_call_seconds",
            "Time from a call's first byte to its answer.",
            _CALL,
            buckets=_SECONDS,
            registry=registry,
        )
        self._stages = Histogram(
            "tusou_stage_seconds",
            "Time that a call spent in a stage.",
            (*_CALL, "stage"),
            buckets=_STAGE_SECONDS,
            registry=registry,
        )
        Info("tusou_build", "The version that runs.", registry=registry).info(
            {"version": __version__, "python": platform.python_version()}
        )
        ProcessCollector(registry=self._registry)
        self._registry.register(_Now(runtime, queue))
        self.router = APIRouter(include_in_schema=False)
        self.router.add_api_route("/metrics", self._tell, methods=["GET"])

    def count(self, seen: Seen) -> None:
        """Count a request that has ended."""
        self._requests.labels(seen.interface, seen.status).inc()
        if seen.call is None:
            return
        self._calls.labels(seen.interface, *seen.call, seen.code).inc()
        if seen.code in _LIMITS:
            self._refusals.labels(*seen.call, _LIMITS[seen.code]).inc()
        self._seconds.labels(*seen.call).observe(seen.ended - seen.started)
        stages = dict[str, float]()
        for lap in seen.laps:
            stages[lap.stage] = stages.get(lap.stage, 0.0) + lap.ended - lap.started
        for stage, seconds in stages.items():
            self._stages.labels(*seen.call, stage).observe(seconds)

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self._registry)

    async def _tell(self, request: Request) -> Response:
        client = request.client.host if request.client else ""
        if not holds(self._allowed, client):
            request.state.note["error_code"] = Problem.PERMISSION.code
            return PlainTextResponse(
                f"{client or 'this caller'} may not read this; the operator can allow its network "
                "(TUSOU_METRICS_ALLOW)\n",
                status_code=403,
            )
        return Response(await self._queue.look_up(self.text), media_type=CONTENT_TYPE_LATEST)


class _Now(Collector):
    """How the server is at the moment of asking."""

    def __init__(self, runtime: Runtime, queue: Queue) -> None:
        self._runtime = runtime
        self._queue = queue

    def describe(self) -> Iterable[Metric]:
        """Nothing: it would have to ask the database before there is one."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Everything, each time anew."""
        yield _gauge("tusou_ready", "1: all libraries are loaded.", self._runtime.ready.is_set())
        yield from self._queues()
        yield from self._encoders()
        yield from self._background()
        yield from self._cache()
        try:
            rows = list(self._libraries())
        except (TusouError, OSError):  # the rest is wanted most when the database does not answer
            rows = []
        yield _gauge("tusou_database_up", "1: the database answers.", bool(rows))
        yield from rows

    def _queues(self) -> Iterator[Metric]:
        state, settings = self._queue.state, self._runtime.settings
        yield _gauge("tusou_requests_inside", "Requests in the server.", state.inside)
        yield _gauge("tusou_requests_most", "Requests it takes in at a time.", settings.queue)
        yield _gauge("tusou_requests_running", "Requests being worked on.", state.running)
        yield _gauge("tusou_threads", "Requests it works on at a time.", settings.threads)
        yield _gauge("tusou_requests_waiting", "Requests waiting for a turn.", state.waiting)
        yield _gauge("tusou_body_bytes", "Bytes of the requests' bodies.", state.bytes)
        most = settings.queue_megabytes << 20
        yield _gauge("tusou_body_most_bytes", "Bytes of bodies it takes in at a time.", most)

    def _encoders(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily(
            "tusou_encoder_waiting", "Pictures that wait to be encoded.", labels=["pack"]
        )
        batches = HistogramMetricFamily(
            "tusou_encoder_batch_pictures", "Pictures encoded in one run.", labels=["pack"]
        )
        for pack, load in self._runtime.models.loads().items():
            waiting.add_metric([pack], load.waiting)
            total, pictures, buckets = 0, 0, []
            for size, runs in enumerate(load.runs, 1):
                total, pictures = total + runs, pictures + size * runs
                buckets.append((str(float(size)), float(total)))
            batches.add_metric([pack], [*buckets, ("+Inf", float(total))], pictures)
        yield waiting
        yield batches

    def _background(self) -> Iterator[Metric]:
        turns = CounterMetricFamily(
            "tusou_background_turns", "Turns of a background task.", labels=["task"]
        )
        failures = CounterMetricFamily(
            "tusou_background_failures", "Turns that failed.", labels=["task"]
        )
        seconds = CounterMetricFamily(
            "tusou_background_seconds", "Time that it was busy.", labels=["task"]
        )
        for work in self._runtime.background():
            task = [work.name.removeprefix("tusou-")]
            turns.add_metric(task, work.turns)
            failures.add_metric(task, work.failures)
            seconds.add_metric(task, work.seconds)
        yield from (turns, failures, seconds)

    def _cache(self) -> Iterator[Metric]:
        asked = CounterMetricFamily(
            "tusou_cache_requests",
            "Totals of calls asked for by quotas, remembered (hit) or added up (miss).",
            labels=["cache", "outcome"],
        )
        usage = self._runtime.usage
        asked.add_metric(["usage", "hit"], usage.hits)
        asked.add_metric(["usage", "miss"], usage.misses)
        yield asked

    def _libraries(self) -> Iterator[Metric]:
        names = ["app_id", "service"]
        size = GaugeMetricFamily("tusou_library_pictures", "Rows of a library.", labels=names)
        most = GaugeMetricFamily("tusou_library_capacity", "Pictures it may hold.", labels=names)
        rows = GaugeMetricFamily(
            "tusou_index_rows", "Pictures in the index of a loaded library.", labels=names
        )
        indexed, moving, stuck = self._runtime.catalogue.rows(), 0, 0
        for row, move in self._runtime.standings():
            labels = [str(row.app_id), row.service]
            size.add_metric(labels, row.size)
            most.add_metric(labels, row.capacity)
            if row.id in indexed:
                rows.add_metric(labels, indexed[row.id])
            moving += move is not None
            stuck += move is not None and bool(move.problem)
        yield from (size, most, rows)
        yield _gauge("tusou_moves", "Libraries on their way to another model pack.", moving)
        yield _gauge("tusou_moves_stuck", "Of these, those that a problem keeps.", stuck)
        database = self._runtime.database
        yield _gauge("tusou_database_connections", "Connections in use.", database.in_use)
        disk = shutil.disk_usage(self._runtime.settings.data)
        yield _gauge("tusou_disk_free_bytes", "Room on the data folder's disk.", disk.free)
        yield _gauge("tusou_disk_bytes", "Size of the data folder's disk.", disk.total)


def _gauge(name: str, help: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help, value)
