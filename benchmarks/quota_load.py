"""One application at ten times its allowed rate beside one at ease: what gets in, what it costs.

The greedy one runs in a process of its own and sends at a steady rate, whatever is answered. Server
times are those of the request log. The figures to reach are those of the quotas' issue: accepted
within 5 % of the limit, refusals under 2 ms, the other's p95 within 1.5 times of alone.
"""

import argparse
import http.client
import multiprocessing
import tempfile
import threading
import time
from collections import Counter
from multiprocessing.pool import AsyncResult
from pathlib import Path
from urllib.parse import urlencode

import numpy as np

from support.pictures import picture
from support.server import Caller, Server, b64
from tusou.errors import Problem
from tusou.services import SERVICES

SEARCH = f"{SERVICES['similar'].prefix}/search"
CONNECTIONS = 20
HEADERS = {"content-type": "application/x-www-form-urlencoded"}


def main() -> None:
    """Run alone, run beside, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--qps", type=int, default=10, help="the greedy application's limit")
    parser.add_argument("--times", type=int, default=10, help="how many times that it sends")
    parser.add_argument("--ease", type=float, default=4, help="searches a second of the other")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "data")
        greedy, other = (stocked(server) for _ in range(2))
        with server.office() as office:
            office.apps.set_limits(greedy.app_id, "similar", "search", {"qps": options.qps})
        ease(other, 2, 10)  # warm
        alone = ease(other, options.ease, options.seconds)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            codes: AsyncResult[Counter[int]] = pool.apply_async(
                storm, (server.address, greedy.token, options.qps * options.times, options.seconds)
            )
            beside = ease(other, options.ease, options.seconds)
            answered = codes.get()
        report_greedy(answered, options.qps, options.seconds)
        report_refusals(server, greedy.app_id)
        report_other(alone, beside)
        server.stop()


def stocked(server: Server) -> Caller:
    """An application with a few pictures."""
    caller = server.caller("similar")
    for seed in range(20):
        caller.call("similar", "add", image=picture(seed), brief=str(seed))
    return caller


def ease(caller: Caller, rate: float, seconds: int) -> list[float]:
    """Search at a steady, low rate; milliseconds of each."""
    times = []
    begun = time.perf_counter()
    for number in range(int(rate * seconds)):
        time.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        data = picture(number % 20)
        started = time.perf_counter()
        answer = caller.call("similar", "search", image=data, rn=5)
        times.append((time.perf_counter() - started) * 1000)
        assert answer["result_num"] == 5, answer
    return times


def storm(address: str, token: str, rate: int, seconds: int) -> Counter[int]:
    """Send at a steady rate over many connections; the codes answered, 0 for a success."""
    body = urlencode({"image": b64(picture(3)), "rn": 5})
    path = f"{SEARCH}?access_token={token}"
    codes: Counter[int] = Counter()
    lock = threading.Lock()
    begun = time.perf_counter() + 0.5

    def send(offset: int) -> None:
        connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
        for number in range(offset, rate * seconds, CONNECTIONS):
            time.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            connection.request("POST", path, body, HEADERS)
            answer = connection.getresponse().read()
            code = int(answer.partition(b'"error_code":')[2].partition(b",")[0] or 0)
            with lock:
                codes[code] += 1
        connection.close()

    threads = [threading.Thread(target=send, args=(offset,)) for offset in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return codes


def report_greedy(codes: Counter[int], qps: int, seconds: int) -> None:
    """What of the storm was let in."""
    accepted = codes.pop(0, 0)
    print(
        f"{codes.total() + accepted:,} calls in {seconds} s where {qps} a second are allowed: "
        f"{accepted} accepted, {accepted / seconds:.2f} a second "
        f"({accepted / seconds / qps - 1:+.1%} of the limit); refused by code: {dict(codes)}"
    )


def report_refusals(server: Server, app_id: int) -> None:
    """What a refusal took of the server's time."""
    times = [
        line["ms"]
        for line in server.log_lines()
        if line.get("app_id") == app_id and line.get("error_code") == Problem.QPS_LIMIT.code
    ]
    print(
        f"{len(times):,} refusals, server time each: p50 {np.median(times):.1f} ms, "
        f"p95 {np.percentile(times, 95):.1f} ms, p99 {np.percentile(times, 99):.1f} ms, "
        f"longest {max(times):.1f} ms, {np.mean(np.array(times) < 2):.1%} under 2 ms"
    )


def report_other(alone: list[float], beside: list[float]) -> None:
    """What the other application felt of it."""
    for title, times in (("alone", alone), ("beside", beside)):
        print(
            f"the other {title}: {len(times)} searches, p50 {np.median(times):.0f} ms, "
            f"p95 {np.percentile(times, 95):.0f} ms"
        )
    print(f"p95 beside / alone: {np.percentile(beside, 95) / np.percentile(alone, 95):.2f}")


if __name__ == "__main__":
    main()
