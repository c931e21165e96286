"""The errors of the contract as one table, and the one exception that carries a row of it.

    Problem      a row: code and message of the cloud interface, err_no of the private one, when
    LocalProblem a row: what the client library finds wrong before it sends
    TusouError   the exception: a Problem, what was wrong in plain words, and facts for the answer

Each HTTP layer turns a TusouError into its own envelope; nothing else writes a code number.
Source: shared contract, section 2 (cloud codes, SDK codes) and section 6 (err_no).
"""

from enum import Enum
from typing import Any, NamedTuple


class Row(NamedTuple):
    """What the two interfaces say of one problem."""

    code: int
    message: str
    err_no: int
    when: str


class Problem(Enum):
    """Every problem a client can be told of; `docs/errors.md` is made from this table."""

    UNKNOWN = Row(1, "Unknown error", 11, "a bug on the server's side")
    UNAVAILABLE = Row(
        2, "Service temporarily unavailable", 6, "starting, stopping, or a store is down"
    )
    METHOD = Row(3, "Unsupported openapi method", 1, "no such path or method")
    OVERLOADED = Row(4, "Open api request limit reached", 99, "the whole server is overloaded")
    PERMISSION = Row(
        6, "No permission to access data", 12, "the application has not ticked this service"
    )
    SERVICE_TOKEN = Row(13, "Get service token failed", 12, "no service token could be made")
    SIGNATURE = Row(14, "IAM Certification failed", 12, "the request signature does not hold")
    APP_GONE = Row(
        15, "app not exsits or create failed", 12, "the key's application was deleted or disabled"
    )
    DAILY_LIMIT = Row(17, "Open api daily request limit reached", 99, "the day's quota is used up")
    QPS_LIMIT = Row(18, "Open api qps request limit reached", 99, "too many requests a second")
    TOTAL_LIMIT = Row(
        19,
        "Open api total request limit reached",
        99,
        "quota, allowance and packages are used up, and pay-as-you-go is closed or in arrears",
    )
    NO_CREDENTIALS = Row(100, "Invalid parameter", 12, "neither access_token nor signature")
    TOKEN_INVALID = Row(
        110,
        "Access token invalid or no longer valid",
        12,
        "an unknown or revoked token (or an expired one sent by the official Python client, "
        "which renews its token on 110 only)",
    )
    TOKEN_EXPIRED = Row(111, "Access token expired", 12, "the token's 30 days are over")
    MODULE_CLOSED = Row(216015, "module closed", 6, "the operator has switched the service off")
    LIBRARY_FULL = Row(216016, "library full", 10, "the library's capacity is used up")
    NO_LIBRARY = Row(216017, "not initialized", 103, "the application has no library here")
    INVALID_PARAM = Row(216100, "invalid param", 1, "a value is out of range")
    MISSING_PARAM = Row(216101, "not enough param", 1, "a required parameter is not there")
    UNKNOWN_SERVICE = Row(216102, "service not support", 1, "the service is unknown")
    PARAM_TOO_LONG = Row(216103, "param too long", 1, "a parameter is longer than allowed")
    APP_UNKNOWN = Row(216110, "appid not exist", 103, "the AppID is unknown")
    IMAGE_EMPTY = Row(216200, "empty image", 100, "the picture has zero bytes")
    IMAGE_FORMAT = Row(
        216201, "image format error", 100, "not a PNG, JPEG or BMP picture, or a broken one"
    )
    IMAGE_SIZE = Row(
        216202, "image size error", 100, "over 4 MiB, or a side or the aspect out of range"
    )
    IMAGE_UNUSABLE = Row(
        216203, "image cannot handle", 100, "nothing in the picture that could be recognised"
    )
    INTERNAL = Row(216401, "internal error", 11, "a step inside the server failed")
    INTERNAL_BACKEND = Row(282000, "internal error", 11, "a backend of the server failed")
    RECOGNIZE = Row(216630, "recognize error", 8, "the model failed on this picture")
    DETECT = Row(216634, "detect error", 8, "the detector failed on this picture")
    IMAGE_RECOGNIZE = Row(282810, "image recognize error", 8, "recognition failed")
    ITEM_MISSING = Row(216680, "item not exist", 102, "no such picture in the library")
    ITEM_EXISTS = Row(216681, "item exist", 101, "the same picture is in the library already")
    LIBRARY_EXISTS = Row(
        216681, "item exist", 104, "the application has a library for this service already"
    )
    MISSING_PARAMETERS = Row(282003, "missing parameters", 1, "native and batch calls")
    INVALID_PARAMETERS = Row(282004, "invalid parameter(s)", 1, "native and batch calls")
    BATCH_FAILED = Row(282005, "batch processing error", 11, "some of a batch failed")
    BATCH_LIMIT = Row(282006, "batch task limit reached", 1, "more in one batch than allowed")
    URL_ILLEGAL = Row(
        282111, "url format illegal", 100, "not http or https, or an address that is refused"
    )
    URL_TIMEOUT = Row(282112, "url download timeout", 100, "the download took too long")
    URL_RESPONSE = Row(
        282113, "url response invalid", 100, "the other server did not answer with a picture"
    )
    URL_SIZE = Row(282114, "url size error", 100, "the download is larger than allowed")
    REQUEST_MISSING = Row(282808, "request id not exist", 1, "no such asynchronous task")
    RESULT_TYPE = Row(282809, "result type error", 1, "asynchronous tasks")
    BASE64 = Row(283300, "image recognize error", 1, "the base64 text does not decode")

    @property
    def code(self) -> int:
        """The cloud interface's error_code."""
        return self.value.code

    @property
    def message(self) -> str:
        """The cloud interface's error_msg, without detail."""
        return self.value.message

    @property
    def err_no(self) -> int:
        """The private interface's err_no."""
        return self.value.err_no

    @property
    def err_msg(self) -> str:
        """The private interface's err_msg, without detail."""
        return ERR_MSGS[self.err_no]


class LocalRow(NamedTuple):
    """What the client library says of one problem."""

    code: str
    message: str
    instead: Problem
    """What the server would have said."""
    when: str


class LocalProblem(Enum):
    """What the client library finds before it sends, or instead of an answer."""

    TOO_LARGE = LocalRow("SDK100", "image size error", Problem.IMAGE_SIZE, "over 4 MiB in base64")
    SIDES = LocalRow(
        "SDK101", "image length error", Problem.IMAGE_SIZE, "a side or the aspect out of range"
    )
    UNREADABLE = LocalRow(
        "SDK102", "read image file error", Problem.IMAGE_EMPTY, "the file cannot be read"
    )
    TIMEOUT = LocalRow(
        "SDK108",
        "connection or read data timeout",
        Problem.UNAVAILABLE,
        "no answer in time; the call may have been carried out",
    )
    FORMAT = LocalRow(
        "SDK109",
        "unsupported image format",
        Problem.IMAGE_FORMAT,
        "not a PNG, JPEG or BMP picture, or a broken one",
    )

    @property
    def code(self) -> str:
        """The answer's error_code."""
        return self.value.code

    @property
    def message(self) -> str:
        """The answer's error_msg."""
        return self.value.message

    @property
    def instead(self) -> Problem:
        """What the server would have said."""
        return self.value.instead


ERR_MSGS = {
    -1: "服务初始化失败",
    0: "OK",
    1: "请求参数不合法",
    2: "feature服务超时",
    3: "bs服务超时",
    4: "meta服务超时",
    5: "无效的feature服务",
    6: "无效的bs服务",
    7: "无效的meta服务",
    8: "提取feature失败",
    9: "请求bs失败",
    10: "获取meta信息失败",
    11: "服务内部错误",
    12: "鉴权失败",
    99: "服务忙",
    100: "由于用户输入原因提取特征失败",
    101: "duplicated add",
    102: "更新不在table中的数据",
    103: "用户未注册",
    104: "用户已存在",
}
"""What the private interface says with each err_no, in the manual's own words."""


AT_GATE = frozenset(row.code for row in Problem if row.code < 1000 or row is Problem.MODULE_CLOSED)
"""Codes of calls that never reached their service: those of the open platform's gate, which have
up to three digits, and of a service that is switched off. Such a call uses up no allowance."""


class TusouError(Exception):
    """A problem met while serving a request.

    `detail` says what was wrong in plain words and is shown to the client; `facts` are extra
    fields of the answer, such as the `cont_sign` of the picture that is there already.
    """

    def __init__(self, problem: Problem, detail: str = "", **facts: Any) -> None:
        super().__init__(problem.name, detail)
        self.problem = problem
        self.detail = detail
        self.facts = facts

    @property
    def message(self) -> str:
        """The message for the client: the table's words, and the detail after a colon."""
        return f"{self.problem.message}: {self.detail}" if self.detail else self.problem.message
