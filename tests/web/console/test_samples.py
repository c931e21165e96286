"""Programs in eight languages: each is built, run against a server, and does what it says."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.pictures import picture
from support.server import Caller, Server
from tusou.services import OPERATIONS, SERVICES
from tusou.web.console.samples import LANGUAGES, Call, Field, Language, write

NASTY = "a \"shoe\" '$HOME' `id` \\n %s {0} @PATH@ 红鞋 &=+#?\t<b>"
CLASSES = {"class_id1": "3", "class_id2": "4"}

# What each needs; what is absent is skipped with its name. All of it on Debian:
# apt-get install curl
# default-jdk-headless php-cli g++ libcurl4-openssl-dev mono-mcs mono-runtime nodejs golang-go
# libmono-system-net-http4.0-cil
NEEDS = {
    "curl": ("bash", "curl"),
    "python": (),
    "java": ("java",),
    "php": ("php",),
    "cpp": ("g++",),
    "csharp": ("mcs", "mono"),
    "node": ("node",),
    "go": ("go",),
}
BUILDS = {
    "cpp": ("g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "{}", "-lcurl", "-o", "sample"),
    "csharp": ("mcs", "-r:System.Net.Http", "{}", "-out:sample"),
    "go": ("go", "build", "-o", "sample", "{}"),
}
RUNS = {
    "curl": ("bash", "{}"),
    "python": (sys.executable, "-W", "error", "{}"),
    "java": ("java", "-XX:TieredStopAtLevel=1", "{}"),
    "php": ("php", "-d", "error_reporting=-1", "{}"),
    "cpp": ("./sample",),
    "csharp": ("mono", "sample"),
    "node": ("node", "{}"),
    "go": ("./sample",),
}


def program(caller: Caller, service: str, operation: str, *fields: Field) -> Call:
    """What a program does for an application of the test's server."""
    address = str(caller.http.base_url).rstrip("/")
    path = f"{SERVICES[service].prefix}/{operation}"
    return Call(address, caller.api_key, caller.secret_key, path, fields)


def start(language: Language, call: Call, folder: Path) -> dict[str, object]:
    """Write a program, build it, run it, and read what it printed."""
    (folder / language.file).write_text(write(language, call, "keep it 请保存"), "utf-8")
    (folder / "a picture.jpg").write_bytes(picture(1))
    environ = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}

    def run(words: tuple[str, ...]) -> str:
        command = [word.replace("{}", language.file) for word in words]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, timeout=300, check=False, env=environ
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("utf-8")

    if language.name in BUILDS:
        run(BUILDS[language.name])
    answer = json.loads(run(RUNS[language.name]))
    assert isinstance(answer, dict)
    return answer


def missing(name: str) -> str:
    """Why a language cannot be tried here; empty: it can."""
    absent = [tool for tool in NEEDS[name] if shutil.which(tool) is None]
    if absent:
        return f"{' and '.join(absent)} not installed"
    if name == "cpp" and not any(Path("/usr/include").glob("**/curl/curl.h")):
        return "libcurl4-openssl-dev not installed"
    folders = ("/usr/lib/mono/4.5", "/usr/lib/mono/4.5/Facades")
    if name == "csharp" and not any(Path(f, "System.Net.Http.dll").exists() for f in folders):
        return "libmono-system-net-http4.0-cil not installed"
    return ""


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
def test_a_program_adds_a_picture_with_whatever_brief(
    server: Server, tmp_path: Path, language: Language
) -> None:
    if why := missing(language.name):
        pytest.skip(why)
    caller = server.caller("product")
    fields = [
        Field("image", "a picture.jpg", is_file=True),
        Field("brief", NASTY),
        *(Field(name, value) for name, value in CLASSES.items()),
    ]
    answer = start(language, program(caller, "product", "add", *fields), tmp_path)
    assert "cont_sign" in answer, answer
    (hit,) = caller.call("product", "search", image=picture(1), **CLASSES)["result"]
    assert (hit["cont_sign"], hit["brief"]) == (answer["cont_sign"], NASTY)


def test_every_call_of_every_service_is_made(server: Server, tmp_path: Path) -> None:
    caller = server.caller()
    (python,) = (row for row in LANGUAGES if row.name == "python")
    image = Field("image", "a picture.jpg", is_file=True)
    others = {"add": (Field("brief", "b"),), "update": (Field("brief", "c"),)}
    for service in SERVICES:
        for operation in ("add", "update", "search", "delete"):
            call = program(caller, service, operation, image, *others.get(operation, ()))
            answer = start(python, call, tmp_path)
            assert "error_code" not in answer, answer
            if operation == "search":
                assert [hit["brief"] for hit in answer["result"]] == ["c"]  # type: ignore[attr-defined]
    assert {"add", "update", "search", "delete"} == set(OPERATIONS)


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
def test_no_place_is_left_unfilled(language: Language) -> None:
    call = Call("http://a", "key", "secret", "/path", (Field("n", "v"), Field("i", "f", True)))
    text = write(language, call, "comment")
    for word in ("http://a", "key", "secret", "/path", "comment"):
        assert word in text
    assert not any(mark in text for mark in ("%file", "%text", "@SERVER@", "@NAME@", "@VALUE@"))
    assert "f" in text.split("\n\n")[-1] or language.name in ("java", "cpp", "go")


def test_what_a_reader_would_not_see_is_escaped() -> None:
    (java,) = (row for row in LANGUAGES if row.name == "java")
    quoted = java.quote("a\u202e\u2028\x00b")
    assert quoted == '"a\\u202e\\u2028\\u0000b"'
