"""Whatever is asked, by the descriptions or against them, no answer is a 5xx.

A short form; `make schemathesis` asks for minutes.
"""

from support.fuzzing import fuzz
from support.native import added, asking
from support.pictures import picture
from support.server import Server


def test_no_request_breaks_the_server(server: Server) -> None:
    caller = server.caller()
    for service in ("similar", "same_hq"):
        added(asking(caller), service, picture(1), "b")
    run = fuzz(caller, "--phases", "fuzzing", "--max-examples", "1", "--seed", "1")
    assert run.returncode == 0, run.stdout
    assert " passed" in run.stdout
