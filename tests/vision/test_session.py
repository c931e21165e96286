"""What the session and the batcher promise."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from tusou.errors import Problem, TusouError
from tusou.types import Vector, Vectors
from tusou.vision import packs
from tusou.vision import session as session_module
from tusou.vision.session import Batch, Batcher, Row, Session, providers

PACK = packs.bundled()["base"]


@pytest.fixture(scope="module")
def session() -> Session:
    return Session(PACK.model)


def noise(count: int) -> Batch:
    shape = (count, PACK.size, PACK.size, 3)
    return np.random.default_rng(7).integers(0, 256, shape, dtype=np.uint8)


def row(number: float) -> Row:
    return np.array([number], np.float32)


class Gate:
    """A model that doubles its rows, notes its batches and waits before each until it is open."""

    def __init__(self) -> None:
        self.batches: list[list[float]] = []
        self.entered = Event()
        self.open = Event()

    def __call__(self, batch: Batch) -> Vectors:
        self.batches.append([float(number) for number in batch[:, 0]])
        self.entered.set()
        assert self.open.wait(60)
        if (batch < 0).any():
            raise ArithmeticError("a negative number")
        return np.asarray(batch * 2, np.float32)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def queue_behind_a_run(
    batcher: Batcher, gate: Gate, threads: ThreadPoolExecutor, numbers: list[float]
) -> list[Future[Vector]]:
    """Send 0, wait until it runs, and leave `numbers` waiting in this order."""
    answers = [threads.submit(batcher.encode, row(0))]
    assert gate.entered.wait(60)
    for count, number in enumerate(numbers, 1):
        answers.append(threads.submit(batcher.encode, row(number)))
        until(lambda count=count: batcher.waiting == count)  # type: ignore[misc]
    return answers


def problem_of(answer: Future[Vector]) -> Problem | None:
    error = answer.exception(60)
    assert error is None or isinstance(error, TusouError)
    return None if error is None else error.problem


def test_a_batch_gives_what_its_rows_give_alone(session: Session) -> None:
    batch = noise(5)
    alone = np.concatenate([session.run(picture[None]) for picture in batch])
    np.testing.assert_allclose(session.run(batch), alone, atol=1e-5)


def test_the_number_of_threads_does_not_change_the_output(session: Session) -> None:
    batch = noise(2)
    np.testing.assert_allclose(Session(PACK.model, 1).run(batch), session.run(batch), atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 8, 8, 3), (1, PACK.size, PACK.size), (1,)])
def test_an_input_that_the_model_does_not_take_is_a_recognize_error(
    session: Session, shape: tuple[int, ...]
) -> None:
    with pytest.raises(TusouError) as caught:
        session.run(np.zeros(shape, np.uint8))
    assert caught.value.problem is Problem.RECOGNIZE


def test_a_model_file_that_is_missing_is_a_backend_error(tmp_path: Path) -> None:
    with pytest.raises(TusouError, match=r"nothing\.onnx") as caught:
        Session(tmp_path / "nothing.onnx")
    assert caught.value.problem is Problem.INTERNAL_BACKEND


def test_a_file_that_is_no_model_is_a_backend_error(tmp_path: Path) -> None:
    (tmp_path / "rubbish.onnx").write_bytes(b"rubbish")
    with pytest.raises(TusouError) as caught:
        Session(tmp_path / "rubbish.onnx")
    assert caught.value.problem is Problem.INTERNAL_BACKEND


def test_a_lone_row_runs_at_once_and_alone(gate: Gate) -> None:
    gate.open.set()
    with Batcher(gate) as batcher:
        assert batcher.encode(row(4)).tolist() == [8]
    assert gate.batches == [[4]]


def test_rows_that_come_during_a_run_share_the_next(
    gate: Gate, threads: ThreadPoolExecutor
) -> None:
    with Batcher(gate) as batcher:
        answers = queue_behind_a_run(batcher, gate, threads, [1, 2, 3])
        gate.open.set()
        assert [answer.result(60).tolist() for answer in answers] == [[0], [2], [4], [6]]
    assert gate.batches == [[0], [1, 2, 3]]


def test_a_run_takes_no_more_rows_than_the_largest_batch(
    gate: Gate, threads: ThreadPoolExecutor
) -> None:
    with Batcher(gate, largest=2) as batcher:
        answers = queue_behind_a_run(batcher, gate, threads, [1, 2, 3, 4, 5])
        gate.open.set()
        assert [answer.result(60)[0] for answer in answers] == [0, 2, 4, 6, 8, 10]
    assert gate.batches == [[0], [1, 2], [3, 4], [5]]


def test_runs_go_on_side_by_side_and_no_more_of_them_than_may(
    gate: Gate, threads: ThreadPoolExecutor
) -> None:
    with Batcher(gate, largest=1, side_by_side=2) as batcher:
        answers = [threads.submit(batcher.encode, row(number)) for number in (1, 2, 3)]
        until(lambda: len(gate.batches) == 2)
        assert batcher.waiting == 1
        gate.open.set()
        assert [answer.result(60)[0] for answer in answers] == [2, 4, 6]
        assert batcher.load.runs == (3,)
    assert sorted(gate.batches) == [[1], [2], [3]]


def test_a_session_on_a_processor_is_shared_row_by_row(
    session: Session, threads: ThreadPoolExecutor
) -> None:
    pictures = noise(6)
    with session.shared() as batcher:
        answers = [threads.submit(batcher.encode, picture) for picture in pictures]
        found = np.stack([answer.result(60) for answer in answers])
        assert batcher.load.runs == (6,)
    np.testing.assert_allclose(found, session.run(pictures), atol=1e-5)


def test_closing_while_runs_go_on_side_by_side_finishes_all_of_them(
    gate: Gate, threads: ThreadPoolExecutor
) -> None:
    batcher = Batcher(gate, largest=1, side_by_side=2)
    answers = [threads.submit(batcher.encode, row(number)) for number in (1, 2)]
    until(lambda: len(gate.batches) == 2)
    answers.append(threads.submit(batcher.encode, row(3)))
    until(lambda: batcher.waiting == 1)
    closing = threads.submit(batcher.close)
    assert problem_of(answers[2]) == Problem.UNAVAILABLE
    gate.open.set()
    closing.result(60)
    assert [answer.result(60)[0] for answer in answers[:2]] == [2, 4]


def test_a_row_that_fails_does_not_hurt_the_others(gate: Gate, threads: ThreadPoolExecutor) -> None:
    with Batcher(gate) as batcher:
        answers = queue_behind_a_run(batcher, gate, threads, [1, -1, 3])
        gate.open.set()
        assert [problem_of(answer) for answer in answers] == [None, None, Problem.RECOGNIZE, None]
        assert answers[3].result()[0] == 6
        assert batcher.encode(row(5))[0] == 10


def test_a_row_of_another_shape_does_not_hurt_the_others(
    session: Session, threads: ThreadPoolExecutor
) -> None:
    good, bad = noise(1)[0], np.zeros((3, 3), np.uint8)
    with Batcher(session.run) as batcher:
        answers = [threads.submit(batcher.encode, r) for r in (good, bad, good, bad)]
        problems = [problem_of(answer) for answer in answers]
    assert problems == [None, Problem.RECOGNIZE, None, Problem.RECOGNIZE]
    np.testing.assert_allclose(answers[2].result(), session.run(good[None])[0], atol=1e-5)


def test_the_problem_that_a_model_names_reaches_the_caller() -> None:
    def refuse(batch: Batch) -> Vectors:
        raise TusouError(Problem.DETECT, f"{len(batch)} of them")

    with Batcher(refuse) as batcher, pytest.raises(TusouError, match="1 of them") as caught:
        batcher.encode(row(1))
    assert caught.value.problem is Problem.DETECT


def test_a_model_that_loses_rows_is_a_recognize_error() -> None:
    with Batcher(lambda batch: batch[:0]) as batcher, pytest.raises(TusouError) as caught:
        batcher.encode(row(1))
    assert caught.value.problem is Problem.RECOGNIZE


def test_a_full_queue_refuses_at_once_and_keeps_those_who_wait(
    gate: Gate, threads: ThreadPoolExecutor
) -> None:
    with Batcher(gate, waiting=2) as batcher:
        answers = queue_behind_a_run(batcher, gate, threads, [1, 2])
        with pytest.raises(TusouError) as caught:
            batcher.encode(row(3))
        assert caught.value.problem is Problem.OVERLOADED
        gate.open.set()
        assert [answer.result(60)[0] for answer in answers] == [0, 2, 4]


def test_closing_finishes_the_run_and_turns_away_those_who_wait(
    gate: Gate, threads: ThreadPoolExecutor
) -> None:
    batcher = Batcher(gate)
    running, *waiting = queue_behind_a_run(batcher, gate, threads, [1, 2])
    closing = threads.submit(batcher.close)
    assert [problem_of(answer) for answer in waiting] == [Problem.UNAVAILABLE] * 2
    assert not closing.done()
    gate.open.set()
    closing.result(60)
    assert running.result(60)[0] == 0
    assert gate.batches == [[0]]


def test_a_closed_batcher_is_unavailable_and_may_be_closed_again() -> None:
    batcher = Batcher(lambda batch: batch)
    batcher.close()
    batcher.close()
    with pytest.raises(TusouError) as caught:
        batcher.encode(row(1))
    assert caught.value.problem is Problem.UNAVAILABLE


def test_the_runtime_reports_to_nobody(tmp_path: Path) -> None:
    """It is off without its own note in the environment, and leaves no number of this machine."""
    code = "import sys, pathlib, tusou.vision.session as s; s.Session(pathlib.Path(sys.argv[1]))"
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}  # no CI, which it knows too
    subprocess.run([sys.executable, "-c", code, str(PACK.model)], env=environ, check=True)
    assert not list(tmp_path.iterdir())


def test_a_provider_can_be_chosen(session: Session) -> None:
    batch = noise(2)
    np.testing.assert_allclose(
        Session(PACK.model, provider="cpu").run(batch), session.run(batch), atol=1e-5
    )


def test_a_provider_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(TusouError, match=r"no tpu here; it has .*cpu") as caught:
        Session(PACK.model, provider="tpu")
    assert caught.value.problem is Problem.INTERNAL_BACKEND


def test_a_card_without_a_driver_is_left_alone_and_refused_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As `onnxruntime-gpu` has it on a machine without a card."""
    names = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: names)
    monkeypatch.setitem(session_module._DRIVERS, names[0], "libnone.so.0")
    assert providers() == names[1:]
    with pytest.raises(TusouError, match=r"no driver for it: libnone\.so\.0"):
        Session(PACK.model, provider="cuda")


def test_a_provider_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: names)
    monkeypatch.setitem(session_module._DRIVERS, names[0], "libc.so.6")
    with (
        pytest.warns(UserWarning, match="CUDAExecutionProvider"),
        pytest.raises(TusouError, match="cuda does not start here"),
    ):
        Session(PACK.model, provider="cuda")
