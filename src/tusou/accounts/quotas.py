"""Quotas: how often and how much an application may call, checked before a call is begun.

Counters are those of the library `limits`, in this process or in Redis. Calls a second are counted
in a moving window; calls a day and in total are counters that begin, whenever they are not there
yet, with what the metering has counted, so that they survive a restart.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn, Protocol

from limits import RateLimitItemPerSecond
from limits.errors import StorageError
from limits.strategies import MovingWindowRateLimiter

from tusou.accounts.apps import App
from tusou.accounts.counters import Memory, in_redis
from tusou.accounts.plans import Plan, Quota
from tusou.errors import Problem, TusouError

Counted = Callable[[int, str, str, int], int]
"""Calls that an application made of a service's call since a UTC second."""
PaidQps = Callable[[int, str, str], int | None]
"""Calls a second that an application's account gives it; None where it has no account."""


class Plans(Protocol):
    """Where plans are looked up."""

    def get(self, name: str) -> Plan:
        """A plan by its name; whatever it raises, the call is not admitted."""
        ...


QUOTA_PROBLEMS = frozenset({Problem.QPS_LIMIT, Problem.DAILY_LIMIT, Problem.TOTAL_LIMIT})
"""What a refused call is told: it has used up nothing and is no call that was served."""

_DAY = 86_400
_CHINA = 8 * 3600  # a day of the reference begins at midnight there
_FOR_EVER = 100 * 365 * _DAY
# How long what was looked up holds: a plan, what an account gives, a refusal that no clock ends.
_STANDS = 1.0


class Call(NamedTuple):
    """One call of one service by one application: what quotas count."""

    app_id: int
    service: str
    operation: str


@dataclass(frozen=True, slots=True)
class _Window:
    """A counter of calls, and how many it takes."""

    problem: Problem
    detail: str
    name: str
    since: int
    seconds: int
    amount: int


class _Refusal(NamedTuple):
    """What was said to a caller, and from when until when it stands.

    A clock that is set back finds itself before that, and asks anew.
    """

    since: float
    until: float
    problem: Problem
    detail: str


class Quotas:
    """Admits calls, or refuses them for next to nothing."""

    def __init__(
        self,
        plans: Plans,
        counted: Counted = lambda *_: 0,
        redis: str = "",
        clock: Callable[[], float] = time.time,
        paid_qps: PaidQps = lambda *_: None,
    ) -> None:
        """Count in the Redis at a URL, or in this process where there is none.

        Raises:
            RuntimeError: the URL is none, or the package for Redis is not installed.
        """
        self._memory = None if redis else Memory()
        self._storage = self._memory or in_redis(redis)
        self._rates = MovingWindowRateLimiter(self._storage)
        # Redis counts in one step by itself.
        self._guard: AbstractContextManager[Any] = nullcontext() if redis else threading.Lock()
        self._plans = plans
        self._counted = counted
        self._paid_qps = paid_qps
        self._clock = clock
        self._paid: dict[Call, tuple[float, int | None]] = {}
        self._seen: dict[str, tuple[float, Plan]] = {}
        self._refused: dict[Call, _Refusal] = {}

    def admit(self, app: App, service: str, operation: str) -> None:
        """Count a call that is about to begin.

        Raises:
            TusouError: QPS_LIMIT, DAILY_LIMIT or TOTAL_LIMIT; UNAVAILABLE, Redis did not answer.
        """
        call = Call(app.id, service, operation)
        self.repeat(call)
        plan = self._plan(app.plan)
        quota = plan.quota(service, operation, app.limits, self._paid_for(call))
        if quota == Quota():
            return
        try:
            with self._guard:
                if self._memory is not None:
                    self._memory.sweep()
                self._count(call, quota, list(self._windows(app, plan, quota)))
        except StorageError as error:
            raise TusouError(Problem.UNAVAILABLE, "the counters of quotas") from error

    def look(self, app: App, service: str, operation: str) -> tuple[Quota, Quota]:
        """What an application may call, and how much of it is used up; counts nothing.

        Raises:
            TusouError: UNAVAILABLE, Redis did not answer.
        """
        call = Call(app.id, service, operation)
        plan = self._plan(app.plan)
        quota = plan.quota(service, operation, app.limits, self._paid_for(call))
        windows = {window.problem: window for window in self._windows(app, plan, quota)}
        kinds = {"daily": Problem.DAILY_LIMIT, "total": Problem.TOTAL_LIMIT}
        found = {kind: windows[problem] for kind, problem in kinds.items() if problem in windows}
        try:
            with self._guard:
                used = {kind: self._used(call, window) for kind, window in found.items()}
        except StorageError as error:
            raise TusouError(Problem.UNAVAILABLE, "the counters of quotas") from error
        amounts = {kind: window.amount for kind, window in found.items()}
        return quota._replace(**amounts), Quota(**used)

    def repeat(self, call: Call) -> None:
        """Refuse again, without counting or looking anything up, where a refusal still stands.

        Raises:
            TusouError: what was raised a moment ago.
        """
        standing = self._refused.get(call)
        if standing is None:
            return
        if standing.since <= self._clock() < standing.until:
            raise TusouError(standing.problem, standing.detail)
        self._refused.pop(call, None)

    def _plan(self, name: str) -> Plan:
        """A plan, asked for again every second: an operator may change it at any time."""
        now = self._clock()
        until, plan = self._seen.get(name, (0.0, None))
        if plan is None or now >= until:
            plan = self._plans.get(name)
            self._seen[name] = now + _STANDS, plan
        return plan

    def _paid_for(self, call: Call) -> int | None:
        """What money gives the call, asked again every second."""
        now = self._clock()
        asked, qps = self._paid.get(call, (0.0, None))
        if not asked <= now < asked + _STANDS:
            qps = self._paid_qps(*call)
            self._paid[call] = now, qps
        return qps

    def _count(self, call: Call, quota: Quota, windows: list[_Window]) -> None:
        """All are looked at before any is counted: a refused call uses up nothing."""
        for window in windows:
            if self._used(call, window) >= window.amount:
                self._refuse(call, window)
        if quota.qps is not None:
            self._count_rate(call, quota.qps)
        for window in windows:
            used = self._storage.incr(_key(call, window), window.seconds)
            if used > window.amount:  # others were admitted meanwhile, by other processes
                self._refuse(call, window)

    def _count_rate(self, call: Call, qps: int) -> None:
        item, names = RateLimitItemPerSecond(qps), tuple(map(str, call))
        admitted = self._rates.hit(item, *names)
        window = self._rates.get_window_stats(item, *names)
        if window.remaining <= 0:
            # Already now, not at the next call: whatever comes until the window moves is refused
            # from memory.
            until = self._clock() + window.reset_time - time.time()
            self._stand(call, until, Problem.QPS_LIMIT, f"{qps} a second")
        if not admitted:
            raise TusouError(Problem.QPS_LIMIT, _words(call, f"{qps} a second"))

    def _used(self, call: Call, window: _Window) -> int:
        """What a counter stands at; one that is not there yet takes over what was metered."""
        key = _key(call, window)
        used = self._storage.get(key)
        # Of several processes that find none at once, one takes over.
        if used or self._storage.incr(f"{key}/begun", window.seconds) > 1:
            return used
        past = self._counted(*call, window.since)
        return self._storage.incr(key, window.seconds, past) if past else 0

    def _windows(self, app: App, plan: Plan, quota: Quota) -> Iterator[_Window]:
        now = self._clock()
        if quota.total is not None:
            over = plan.days is not None and now >= app.plan_since + plan.days * _DAY
            detail = f"the plan's {plan.days} days are over" if over else f"{quota.total} in all"
            name = f"total/{plan.name}/{app.plan_since}"
            amount = 0 if over else quota.total
            yield _Window(Problem.TOTAL_LIMIT, detail, name, app.plan_since, _FOR_EVER, amount)
        if quota.daily is not None:
            day = int(now + _CHINA) // _DAY
            detail, since = f"{quota.daily} a day", day * _DAY - _CHINA
            yield _Window(Problem.DAILY_LIMIT, detail, f"day/{day}", since, _DAY, quota.daily)

    def _refuse(self, call: Call, window: _Window) -> NoReturn:
        self._stand(call, self._clock() + _STANDS, window.problem, window.detail)
        raise TusouError(window.problem, _words(call, window.detail))

    def _stand(self, call: Call, until: float, problem: Problem, detail: str) -> None:
        self._refused[call] = _Refusal(self._clock(), until, problem, _words(call, detail))


def _words(call: Call, detail: str) -> str:
    return f"{detail}, for {call.operation} of {call.service}"


def _key(call: Call, window: _Window) -> str:
    return "/".join((*map(str, call), window.name))
