"""The manual's programs, in Python 3, on the manual's four ports."""

import json
import subprocess
import sys
from typing import Any

import pytest

from support.pictures import EXAMPLES
from support.server import Server

PROGRAMS = EXAMPLES / "private"


def _run(program: str, *words: object) -> str:
    done = subprocess.run(
        [sys.executable, PROGRAMS / program, *map(str, words)], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("serves", ["similar", "picturebook"])
def test_the_program_for_the_search_ports_does_all_its_calls(private: Server, serves: str) -> None:
    def rtsas(call: str, *options: object) -> dict[str, Any]:
        words = "--appid", f"example {serves}", *options
        return dict(json.loads(_run("rtsas.py", private.private[serves], call, *words)))

    cat = "--image", EXAMPLES / "cat.jpg"
    ok = {"err_no": 0, "err_msg": "OK"}
    assert rtsas("signup") == ok
    assert rtsas("add", *cat) == ok
    assert rtsas("add", *cat)["err_no"] == 101
    assert rtsas("update", *cat, "--brief", "猫") == ok
    (found,) = rtsas("search", *cat)["data_items"]
    assert found["features"][0]["fea_data"] == "54yr"  # 猫 in base64
    assert rtsas("snapshot")["snapshot"]["index_size"] == 1
    assert rtsas("remove", "--contsign", "{sign1},{sign2}".format(**found["contsign"])) == ok
    assert rtsas("search", *cat)["data_items"] == []


def test_the_program_for_the_feature_port_prints_them(private: Server) -> None:
    address = private.private["same_hq"].removeprefix("http://")
    told = _run("classify.py", address, EXAMPLES / "cat.jpg", "1,2,3").splitlines()
    assert told[0].startswith("time cost: ")
    assert [line.split()[0] for line in told[1:]] == ["1", "2", "3"]


def test_the_management_port_leads_to_a_page(private: Server) -> None:
    answer = private.http.get(private.private["console"])
    assert answer.headers["location"].startswith(private.address)
