import threading

from tusou.index.gate import Gate

WAIT = 20.0


def test_readers_pass_together() -> None:
    gate, both = Gate(), threading.Barrier(2)

    def read() -> None:
        with gate.reading():
            both.wait(WAIT)

    thread = threading.Thread(target=read)
    thread.start()
    with gate.reading():
        both.wait(WAIT)
    thread.join()


def test_a_writer_is_alone() -> None:
    gate, inside, most = Gate(), 0, 0

    def write() -> None:
        nonlocal inside, most
        for _ in range(200):
            with gate.writing():
                inside += 1
                most = max(most, inside)
                inside -= 1
            with gate.reading():
                most = max(most, inside + 1)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_the_gate_opens_again_after_a_failure_inside() -> None:
    gate = Gate()
    for passing in (gate.reading, gate.writing, gate.reading):
        try:
            with passing():
                raise KeyError
        except KeyError:
            pass
    with gate.writing():
        pass
