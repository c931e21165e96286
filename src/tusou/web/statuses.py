"""The HTTP status of each problem, for interfaces that answer with one."""

from tusou.errors import Problem

_STATUSES = {
    401: (
        Problem.NO_CREDENTIALS,
        Problem.SIGNATURE,
        Problem.APP_GONE,
        Problem.TOKEN_INVALID,
        Problem.TOKEN_EXPIRED,
    ),
    403: (Problem.PERMISSION,),
    404: (
        Problem.APP_UNKNOWN,
        Problem.NO_LIBRARY,
        Problem.UNKNOWN_SERVICE,
        Problem.ITEM_MISSING,
        Problem.REQUEST_MISSING,
        Problem.METHOD,
    ),
    409: (Problem.ITEM_EXISTS, Problem.LIBRARY_EXISTS, Problem.LIBRARY_FULL),
    429: (Problem.DAILY_LIMIT, Problem.QPS_LIMIT, Problem.TOTAL_LIMIT),
    500: (Problem.UNKNOWN, Problem.INTERNAL, Problem.INTERNAL_BACKEND, Problem.SERVICE_TOKEN),
    503: (Problem.UNAVAILABLE, Problem.OVERLOADED, Problem.MODULE_CLOSED),
}
_BY_PROBLEM = {problem: status for status, rows in _STATUSES.items() for problem in rows}


def status_of(problem: Problem) -> int:
    """The status; 400 is for what is wrong with the request, pictures too."""
    return _BY_PROBLEM.get(problem, 400)
