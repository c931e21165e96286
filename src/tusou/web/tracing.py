"""OpenTelemetry traces by OTLP/HTTP: a span for each request, and one for each of its stages."""

import time

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers

from tusou import __version__
from tusou.web.watch import Seen


class Tracing:
    """Makes spans of requests that have ended, and sends them in the background.

    Spans are made afterwards, of times that are taken anyway. A request that says by `traceparent`
    what it is part of becomes part of that. Which are kept, and more, is said to the SDK by its own
    variables, such as OTEL_TRACES_SAMPLER.
    """

    def __init__(self, address: str) -> None:
        facts = {"service.name": "tusou", "service.version": __version__}
        self._provider = TracerProvider(resource=Resource.create(facts), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=address)))
        self._tracer = self._provider.get_tracer("tusou", __version__)
        self._parents = TraceContextTextMapPropagator()

    def trace(self, seen: Seen) -> None:
        """Make the spans of a request."""
        # Seconds of the counter to nanoseconds of the clock.
        zero = time.time_ns() - round(time.perf_counter() * 1e9)
        scope = seen.scope
        name = " ".join(seen.call) if seen.call else f"{scope['method']} {seen.interface}"
        span = self._tracer.start_span(
            name,
            context=self._parents.extract(dict(Headers(scope=scope))),
            kind=SpanKind.SERVER,
            start_time=zero + round(seen.started * 1e9),
            attributes={
                "http.request.method": scope["method"],
                "url.path": scope["path"],
                "http.response.status_code": seen.status,
                "tusou.log_id": scope["state"]["log_id"],
                "tusou.code": seen.code,
                "tusou.app_id": str(seen.note.get("app_id", "")),
            },
        )
        if span.is_recording():
            inside = set_span_in_context(span)
            for lap in seen.laps:
                part = self._tracer.start_span(
                    lap.stage, inside, start_time=zero + round(lap.started * 1e9)
                )
                part.end(zero + round(lap.ended * 1e9))
            if seen.code or seen.status >= 500:
                span.set_status(Status(StatusCode.ERROR, str(seen.note.get("detail", ""))))
        span.end(zero + round(seen.ended * 1e9))

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()
