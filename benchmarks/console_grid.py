"""What the console's library manager takes of the server's time, in a library of 500,000 pictures.

Fills the rows of a library (features are not looked at here), starts the server on them, signs in
and asks for what the page asks for. Times are those of the server's own log.
"""

import argparse
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
from sqlalchemy import insert, update

from support.pictures import picture
from support.server import Caller, Server
from tusou.office import Office
from tusou.settings import Settings
from tusou.storage.tables import items, libraries

PORTION = 20_000
PASSWORD = "a password for the benchmark"
WORDS = (
    "red",
    "silk",
    "poster",
    "lamp",
    "chair",
    "shoe",
    "页面",
    "封面",
    "蓝色",
    "瓷砖",
    "花纹",
    "连衣裙",
)
RARE = "unicorn"


def main() -> None:
    """Fill, start, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=500_000)
    parser.add_argument("--times", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        with Office(Settings.load({}, data=data)) as office:
            app, secret = office.apps.create("bench", ["similar"])
            library = office.create_library(app.id, "similar")
            office.users.add("bench", PASSWORD, "operator")
            fill(office, library.id, options.pictures)
            last = options.pictures
        server = Server(data)
        token = server.token(app.api_key, secret)
        caller = Caller(server.http, app.id, app.api_key, secret, token)
        with httpx.Client(base_url=server.address, timeout=60, trust_env=False) as http:
            sign_in(http)
            measure(server, http, app.id, options.times, last, add_some(caller))
        server.stop()


def fill(office: Office, library_id: int, pictures: int) -> None:
    """Write rows as adds would have, without features."""
    random = np.random.default_rng(0)
    for start in range(1, pictures + 1, PORTION):
        numbers = range(start, min(start + PORTION, pictures + 1))
        rows = [row(library_id, number, random) for number in numbers]
        with office.database.write() as connection:
            connection.execute(insert(items), rows)
    with office.database.write() as connection:
        connection.execute(update(libraries).values(size=pictures, capacity=2 * pictures))


def row(library_id: int, number: int, random: np.random.Generator) -> dict[str, object]:
    """One picture of a catalogue: words and a number for its brief, a common and a rare class."""
    words = " ".join(WORDS[part] for part in random.integers(0, len(WORDS), 4))
    brief = f"{words} SKU-{number:07}" + (f" {RARE}" if number % 50_000 == 7 else "")
    return {
        "id": number,
        "library_id": library_id,
        "sign": int(random.integers(-(1 << 63), 1 << 63)),
        "brief": brief,
        "class1": 1 + number % 20,
        "class2": 1000 if number % 100_000 == 9 else 0,
        "blob": "",
        "media_type": "image/jpeg",
        "bytes": 50_000,
        "width": 800,
        "height": 600,
        "created": number,
        "updated": number,
    }


def add_some(caller: Caller) -> int:
    """A few real pictures, whose thumbnails are read; the number of the last one's row is told."""
    for seed in range(3):
        caller.call("similar", "add", image=picture(seed), brief=f"real {seed}")
    return 3


def sign_in(http: httpx.Client) -> None:
    """Sign in as a browser does."""
    form = re.search(r'name="form" value="(\w+)"', http.get("/console/sign-in").text)
    assert form
    answer = http.post(
        "/console/sign-in", data={"form": form[1], "name": "bench", "password": PASSWORD}
    )
    assert answer.status_code == 303, answer.text


def measure(
    server: Server, http: httpx.Client, app_id: int, times: int, last: int, real: int
) -> None:
    """Ask for each thing so many times."""
    base = f"/console/libraries/{app_id}/similar"
    asks: dict[str, Callable[[int], str]] = {
        "the page itself": lambda _: base,
        "first 80 pictures": lambda _: f"{base}/pictures",
        "80 from anywhere": lambda n: f"{base}/pictures?after={(n + 1) * last // (times + 1)}",
        "80 oldest first, from anywhere": lambda n: (
            f"{base}/pictures?order=oldest&after={(n + 1) * last // (times + 1)}"
        ),
        "80 with a common word": lambda _: f"{base}/pictures?q=silk",
        "two words": lambda _: f"{base}/pictures?q=silk 花纹",
        "a word of 10 pictures": lambda _: f"{base}/pictures?q={RARE}",
        "a word of no picture": lambda n: f"{base}/pictures?q=nothing{n}",
        "a tag of 25,000 pictures": lambda n: f"{base}/pictures?tags={1 + n % 20}",
        "a tag of 5 pictures": lambda _: f"{base}/pictures?tags=1000",
        "a cont_sign": lambda n: f"{base}/pictures?q={n},{n}",
        "how many, without a filter": lambda _: f"{base}/count",
        "how many with a common word": lambda _: f"{base}/count?q=silk",
        "a thumbnail": lambda n: f"{base}/pictures/{last + 1 + n % real}/thumbnail",
    }
    print(f"{last:,} pictures, {times} times each\n")
    print("| asked for | p50 ms | p95 ms |\n|---|---:|---:|")
    for name, path in asks.items():
        found = [timed(http, path(number)) for number in range(times)]
        time.sleep(0.2)  # lines of the log follow their answers
        spent = {line["log_id"]: line["ms"] for line in server.log_lines() if "log_id" in line}
        own = [spent[log_id] for log_id in found]
        print(f"| {name} | {np.median(own):.0f} | {np.percentile(own, 95):.0f} |")


def timed(http: httpx.Client, path: str) -> int:
    """The log_id of an answer."""
    response = http.get(path)
    assert response.status_code == 200, response.text
    return int(response.headers["x-log-id"])


if __name__ == "__main__":
    main()
