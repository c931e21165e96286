"""Running a model: ONNX Runtime's only home, and the queue that lets requests share one run."""

import ctypes
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from pathlib import Path
from threading import Condition, Thread
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tusou.errors import Problem, TusouError
from tusou.stages import timed
from tusou.types import Vector, Vectors

# From 1.29 on ONNX Runtime reports to its makers, beginning when it is imported, and keeps a number
# of this machine in the home folder. This variable is its only way to say no to all of that.
os.putenv("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime as ort  # type: ignore[import-untyped]

Row = NDArray[Any]
"""One input of a model: its input tensor less the first axis."""
Batch = NDArray[Any]
"""[N × …] rows of one shape and type."""

PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")
"""Taken by themselves where they are, fastest first; CUDA comes with `onnxruntime-gpu`."""
_PROVIDER = "ExecutionProvider"
_SIDE_BY_SIDE = 4
"""Runs that go on at once on a processor, where it has as many cores; measured with two."""
_LARGEST = 8
"""Rows of a run elsewhere."""
_DRIVERS = {"CUDAExecutionProvider": "libcuda.so.1"}
"""Without its driver a provider does nothing but complain, once for every model."""


class Session:
    """One loaded ONNX model with one input and one output, both with a free first axis."""

    def __init__(self, model: Path, threads: int | None = None, provider: str = "") -> None:
        """Load the model.

        Args:
            model: The file.
            threads: Cores for one run, by default all that the process may use.
            provider: What runs it, as `provider_names` gives them; by default the fastest of
                `PROVIDERS`. What it cannot run, the processor does.

        Raises:
            TusouError: INTERNAL_BACKEND, the file is missing or is no model, or the provider is
                not there or does not start.
        """
        options = ort.SessionOptions()
        self._threads = options.intra_op_num_threads = threads or _cores()
        # A thread that spins between two runs takes its core from FAISS and OpenCV.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        chosen = providers(provider)
        if chosen[0] in _DRIVERS:
            _load_libraries()
        try:
            self._session = ort.InferenceSession(model, options, providers=chosen)
        except Exception as error:  # ONNX Runtime's exceptions share no base of their own.
            raise TusouError(
                Problem.INTERNAL_BACKEND, f"the model {model.name} does not load: {error}"
            ) from error
        # One that does not start is passed over with no more than a line on stderr.
        if provider and self._session.get_providers()[0] != chosen[0]:
            raise TusouError(
                Problem.INTERNAL_BACKEND,
                f"{provider} does not start here; its driver or its libraries may be too old",
            )
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name

    @property
    def on_processor(self) -> bool:
        """Whether nothing but the processor runs it."""
        return bool(self._session.get_providers()[0] == PROVIDERS[-1])

    def shared(self, waiting: int = 64) -> "Batcher":
        """A queue before this session, as suits what runs it; see `Batcher`.

        A card wants many rows a run. On a processor, of two runs of a row each neither waits for
        the slower half of its work, and caches hold what they need: 74 pictures a second in place
        of 65 by runs of eight, and 59 of two (docs/decisions.md).
        """
        if self.on_processor:
            side_by_side = min(self._threads, _SIDE_BY_SIDE)
            return Batcher(self.run, largest=1, side_by_side=side_by_side, waiting=waiting)
        return Batcher(self.run, largest=_LARGEST, waiting=waiting)

    def run(self, batch: Batch) -> Vectors:
        """Return the model's output for each row of `batch`.

        Raises:
            TusouError: RECOGNIZE, the model failed on this batch.
        """
        try:
            (output,) = self._session.run([self._output], {self._input: batch})
        except Exception as error:  # ONNX Runtime's exceptions share no base of their own.
            raise TusouError(Problem.RECOGNIZE, "the model failed") from error
        return np.asarray(output, dtype=np.float32)


class Load(NamedTuple):
    """How busy a batcher is, and was."""

    waiting: int
    """Rows that wait for the next run."""
    runs: tuple[int, ...]
    """Runs there were of one row, of two, and so on."""


class Batcher:
    """Encodes what many threads ask for at the same time: together, or some side by side.

    A thread takes whatever is waiting, up to `largest` rows, and runs it at once: a lone request
    never waits for company, and requests that came during a run share the next one.
    """

    def __init__(
        self,
        run: Callable[[Batch], Vectors],
        *,
        largest: int = _LARGEST,
        side_by_side: int = 1,
        waiting: int = 64,
    ) -> None:
        """Start the threads.

        Args:
            run: The model.
            largest: Most rows in one run.
            side_by_side: Most runs at the same time.
            waiting: Rows that may wait before more are refused.
        """
        self._run = run
        self._largest = largest
        self._room = waiting
        self._queue: deque[tuple[Row, Future[Vector]]] = deque()
        self._changed = Condition()
        self._closed = False
        self._runs = [0] * largest
        # Daemons, so that an owner who forgets `close` does not keep the process alive.
        self._workers = [
            Thread(target=self._work, name=f"encode-{number}", daemon=True)
            for number in range(side_by_side)
        ]
        for worker in self._workers:
            worker.start()

    def encode(self, row: Row) -> Vector:
        """Wait for this row's turn and return its output.

        Raises:
            TusouError: OVERLOADED, too many rows wait; UNAVAILABLE, closed; whatever `run`
                raised for this row alone, as RECOGNIZE where it was no TusouError.
        """
        answer: Future[Vector] = Future()
        with timed("encode"):
            with self._changed:
                if self._closed:
                    raise _closing()
                if len(self._queue) >= self._room:
                    raise TusouError(Problem.OVERLOADED, "too many pictures wait to be encoded")
                self._queue.append((row, answer))
                self._changed.notify()
            return answer.result()

    @property
    def waiting(self) -> int:
        """How many rows wait for the next run."""
        with self._changed:
            return len(self._queue)

    @property
    def load(self) -> Load:
        """What is waiting, and the runs there were."""
        return Load(self.waiting, tuple(self._runs))

    def close(self) -> None:
        """Finish the runs under way and answer those who still wait with UNAVAILABLE."""
        with self._changed:
            self._closed = True
            abandoned = [answer for _, answer in self._queue]
            self._queue.clear()
            self._changed.notify_all()
        for answer in abandoned:
            answer.set_exception(_closing())
        for worker in self._workers:
            worker.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _work(self) -> None:
        while jobs := self._take():
            self._answer(jobs)

    def _take(self) -> list[tuple[Row, Future[Vector]]]:
        """Wait until there is something to do; nothing means that we are closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            count = min(self._largest, len(self._queue))
            if count:
                self._runs[count - 1] += 1
            return [self._queue.popleft() for _ in range(count)]

    def _answer(self, jobs: list[tuple[Row, Future[Vector]]]) -> None:
        try:
            vectors = self._run(np.stack([row for row, _ in jobs]))
            answers = [(answer, vector) for (_, answer), vector in zip(jobs, vectors, strict=True)]
        except Exception as error:  # Whatever it is belongs to a request, not to this thread.
            if len(jobs) == 1:
                jobs[0][1].set_exception(_as_problem(error))
                return
            for job in jobs:
                self._answer([job])
            return
        for answer, vector in answers:
            answer.set_result(vector.copy())  # A view would keep the whole batch alive.


def provider_names() -> list[str]:
    """What ONNX Runtime can run models on here, by short names: `cpu`, `cuda`, `openvino` …"""
    return [name.removesuffix(_PROVIDER).lower() for name in ort.get_available_providers()]


def providers(provider: str = "") -> list[str]:
    """Which providers a model runs by, the first that can; `provider` by its short name.

    Raises:
        TusouError: INTERNAL_BACKEND, there is no such provider here, or no driver for it.
    """
    available = ort.get_available_providers()
    if not provider:
        return [name for name in PROVIDERS if name in available and _has_driver(name)]
    fitting = [name for name in available if name.lower() == (provider + _PROVIDER).lower()]
    if not fitting:
        known = ", ".join(provider_names())
        raise TusouError(
            Problem.INTERNAL_BACKEND, f"ONNX Runtime has no {provider} here; it has {known}"
        )
    if not _has_driver(fitting[0]):
        raise TusouError(
            Problem.INTERNAL_BACKEND,
            f"ONNX Runtime has {provider}, but this machine has no driver for it: "
            f"{_DRIVERS[fitting[0]]} is missing",
        )
    return list(dict.fromkeys([*fitting, PROVIDERS[-1]]))


def _has_driver(name: str) -> bool:
    """Whether the driver of a provider is there, or it needs none."""
    try:
        ctypes.CDLL(_DRIVERS.get(name))
    except OSError:
        return False
    return True


@cache
def _load_libraries() -> None:
    """Load CUDA and cuDNN from their wheels, where ONNX Runtime does not look by itself."""
    ort.preload_dlls()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _closing() -> TusouError:
    return TusouError(Problem.UNAVAILABLE, "the model is shutting down")


def _as_problem(error: Exception) -> TusouError:
    if isinstance(error, TusouError):
        return error
    problem = TusouError(Problem.RECOGNIZE, "the model failed")
    problem.__cause__ = error
    return problem
