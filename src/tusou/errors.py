"""The errors of the contract as one table, and the one exception that carries a row of it.

    Problem      a row: code and message of the cloud interface, err_no of the private one, when it
                 is given and what to do about it, in English and Chinese
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
    cure: str
    """What the one who meets it does about it."""
    chinese_when: str
    chinese_cure: str


class Problem(Enum):
    """Every problem a client can be told of; docs/errors.md and errors.zh.md are made from it."""

    UNKNOWN = Row(
        1,
        "Unknown error",
        11,
        "a bug on the server's side",
        "find the answer's log_id in the server's log and report what stands there",
        "服务端程序缺陷",
        "用应答中的 log_id 在服务日志里找到详情并反馈",
    )
    UNAVAILABLE = Row(
        2,
        "Service temporarily unavailable",
        6,
        "starting, stopping, or a store is down",
        "try again; if it lasts: `tusou doctor` looks at database, picture store and disk",
        "服务正在启动或停止，或数据库、图片存储不可用",
        "稍后重试；持续出现时运行 `tusou doctor` 检查数据库、图片存储和磁盘",
    )
    METHOD = Row(
        3,
        "Unsupported openapi method",
        1,
        "no such path or method",
        "compare the path with the table of services: `same_hq` has no `image-classify`, "
        "`picturebook` has `imagesearch`",
        "路径或方法不存在",
        "对照服务列表检查路径：`same_hq` 的路径中没有 `image-classify`，`picturebook` 的是 "
        "`imagesearch`",
    )
    OVERLOADED = Row(
        4,
        "Open api request limit reached",
        99,
        "the whole server is overloaded",
        "try again after a pause, with fewer calls at a time; the operator can look at "
        "`TUSOU_THREADS` and `TUSOU_QUEUE`, or give the server more cores",
        "整个服务过载",
        "降低并发，稍后重试；运维人员可调整 `TUSOU_THREADS`、`TUSOU_QUEUE`，或增加 CPU",
    )
    PERMISSION = Row(
        6,
        "No permission to access data",
        12,
        "the application has not ticked this service",
        "tick the service: in the console, or `tusou app edit APP_ID --services all`",
        "应用没有勾选该服务",
        "在控制台勾选该服务，或执行 `tusou app edit APP_ID --services all`",
    )
    SERVICE_TOKEN = Row(
        13,
        "Get service token failed",
        12,
        "no service token could be made",
        "this server never answers it; kept for programs that know it",
        "无法获取服务 token",
        "本服务不会返回，仅为兼容旧程序保留",
    )
    SIGNATURE = Row(
        14,
        "IAM Certification failed",
        12,
        "the request signature does not hold",
        "check the Secret Key and the client's clock; a proxy must pass path, query and Host "
        "on unchanged",
        "请求签名校验失败",
        "检查 Secret Key 和客户端时钟；反向代理必须原样转发路径、查询参数和 Host",
    )
    APP_GONE = Row(
        15,
        "app not exsits or create failed",
        12,
        "the key's application was deleted or disabled",
        "`tusou app list` shows whether it is disabled; `tusou app enable APP_ID`, or use "
        "the keys of another",
        "密钥所属的应用已停用或删除",
        "用 `tusou app list` 查看状态；已停用的用 `tusou app enable APP_ID` 恢复，已删除的请"
        "换用其他应用的密钥",
    )
    DAILY_LIMIT = Row(
        17,
        "Open api daily request limit reached",
        99,
        "the day's quota is used up",
        "wait for the next day, or have the operator raise the limit: `tusou app limit`, "
        "`tusou app plan`",
        "当天的配额已用完",
        "等到次日，或请运维人员用 `tusou app limit`、`tusou app plan` 提高限额",
    )
    QPS_LIMIT = Row(
        18,
        "Open api qps request limit reached",
        99,
        "too many requests a second",
        "send more slowly and try again after a second; or have the operator raise the "
        "limit: `tusou app limit`",
        "每秒请求数超限",
        "降低请求频率，一秒后重试；或请运维人员用 `tusou app limit` 提高限额",
    )
    TOTAL_LIMIT = Row(
        19,
        "Open api total request limit reached",
        99,
        "quota, allowance and packages are used up, and pay-as-you-go is closed or in arrears",
        "claim an allowance, buy a package, open pay-as-you-go or top the account up; `tusou "
        "app quota APP_ID` shows what is left",
        "配额、免费额度和次数包均已用完，且未开通后付费或已欠费",
        "领取免费额度、购买次数包、开通按量后付费或充值；余量用 `tusou app quota APP_ID` 查看",
    )
    NO_CREDENTIALS = Row(
        100,
        "Invalid parameter",
        12,
        "neither access_token nor signature",
        "put `access_token` into the query of the URL (not into the body), or sign the request",
        "既没有 access_token，也没有签名",
        "把 `access_token` 放在 URL 的查询参数里（不是请求体），或对请求签名",
    )
    TOKEN_INVALID = Row(
        110,
        "Access token invalid or no longer valid",
        12,
        "an unknown or revoked token (or an expired one sent by the official Python client, "
        "which renews its token on 110 only)",
        "fetch a new token from `/oauth/2.0/token` of this server; a token of Baidu's cloud "
        "does not hold here",
        "token 不存在或已作废（官方 Python SDK 的 token 过期时也返回此码，因为它只在收到 110 "
        "时才重新获取）",
        "从本服务的 `/oauth/2.0/token` 重新获取；百度云签发的 token 在这里无效",
    )
    TOKEN_EXPIRED = Row(
        111,
        "Access token expired",
        12,
        "the token's 30 days are over",
        "fetch a new token",
        "token 已满 30 天",
        "重新获取 token",
    )
    MODULE_CLOSED = Row(
        216015,
        "module closed",
        6,
        "the operator has switched the service off",
        "the operator takes it out of `TUSOU_CLOSED_SERVICES` and restarts the server",
        "运维人员停用了该服务",
        "由运维人员从 `TUSOU_CLOSED_SERVICES` 中移除并重启服务",
    )
    LIBRARY_FULL = Row(
        216016,
        "library full",
        10,
        "the library's capacity is used up",
        "apply for more capacity in the console, or delete pictures",
        "图库容量已用完",
        "在控制台申请扩容，或删除不用的图片",
    )
    NO_LIBRARY = Row(
        216017,
        "not initialized",
        103,
        "the application has no library here",
        "`tusou library create APP_ID SERVICE`, or apply for the library in the console",
        "应用还没有该服务的图库",
        "执行 `tusou library create APP_ID 服务名`，或在控制台申请建库",
    )
    INVALID_PARAM = Row(
        216100,
        "invalid param",
        1,
        "a value is out of range",
        "correct the parameter that the message names; brief: 1–256 bytes (a Chinese "
        "character has 3), classes: whole numbers 1–65535",
        "参数值超出范围",
        "按提示修改对应参数；brief 为 1–256 字节（一个汉字占 3 字节），分类为 1–65535 的整数",
    )
    MISSING_PARAM = Row(
        216101,
        "not enough param",
        1,
        "a required parameter is not there",
        "send the parameter that the message names, in the body and with its name spelled so",
        "缺少必填参数",
        "在请求体中补上提示的参数，并检查参数名的拼写",
    )
    UNKNOWN_SERVICE = Row(
        216102,
        "service not support",
        1,
        "the service is unknown",
        "`same_hq`, `similar`, `product`, `picturebook` and `materiel` are there",
        "服务名不存在",
        "可用的服务名：`same_hq`、`similar`、`product`、`picturebook`、`materiel`",
    )
    PARAM_TOO_LONG = Row(
        216103,
        "param too long",
        1,
        "a parameter is longer than allowed",
        "shorten it; a picture's URL has 1,024 bytes at most",
        "参数过长",
        "缩短参数；图片 URL 最长 1024 字节",
    )
    APP_UNKNOWN = Row(
        216110,
        "appid not exist",
        103,
        "the AppID is unknown",
        "check the AppID by `tusou app list`; in the private interface: call signup first",
        "AppID 不存在",
        "用 `tusou app list` 核对 AppID；私有化接口须先调用 signup",
    )
    IMAGE_EMPTY = Row(
        216200,
        "empty image",
        100,
        "the picture has zero bytes",
        "look whether the file was read in full, and in binary mode",
        "图片为零字节",
        "检查文件是否完整读取，是否以二进制方式打开",
    )
    IMAGE_FORMAT = Row(
        216201,
        "image format error",
        100,
        "not a PNG, JPEG or BMP picture, or a broken one",
        "turn it into PNG, JPEG or BMP; the name's ending does not count, the content does "
        "(WebP and GIF are often named .jpg)",
        "不是 PNG、JPEG、BMP，或文件已损坏",
        "转换为 PNG、JPEG 或 BMP；以文件内容为准，与扩展名无关（扩展名为 .jpg 的文件常常其实"
        "是 WebP 或 GIF）",
    )
    IMAGE_SIZE = Row(
        216202,
        "image size error",
        100,
        "over 4 MiB, or a side or the aspect out of range",
        "make the picture smaller (base64 adds a third: about 3 MiB as a file) or larger, by "
        "the sides in the table of services",
        "超过 4 MiB，或边长、长宽比超出范围",
        "按服务列表中的边长要求缩小或放大图片；base64 会使体积增加三分之一，即原文件约 3 MiB 以内",
    )
    IMAGE_UNUSABLE = Row(
        216203,
        "image cannot handle",
        100,
        "nothing in the picture that could be recognised",
        "take a picture that shows something; in `product` with `TUSOU_MOST_SUBJECTS` set: "
        "cut it to the product",
        "图片中没有可识别的内容",
        "换一张有实际内容的图片；`product` 若设置了 `TUSOU_MOST_SUBJECTS`，请把商品主体裁剪出来",
    )
    INTERNAL = Row(
        216401,
        "internal error",
        11,
        "a step inside the server failed",
        "this server never answers it; kept for programs that know it",
        "服务内部某一步失败",
        "本服务不会返回，仅为兼容旧程序保留",
    )
    INTERNAL_BACKEND = Row(
        282000,
        "internal error",
        11,
        "a backend of the server failed",
        "look the log_id up in the server's log; `tusou doctor` tries the models",
        "服务的后端出错",
        "用 log_id 查服务日志；用 `tusou doctor` 检查模型",
    )
    RECOGNIZE = Row(
        216630,
        "recognize error",
        8,
        "the model failed on this picture",
        "try another picture; if all fail, `tusou doctor` tries the models",
        "模型处理这张图片时失败",
        "换一张图片；如果全部失败，用 `tusou doctor` 检查模型",
    )
    DETECT = Row(
        216634,
        "detect error",
        8,
        "the detector failed on this picture",
        "this server never answers it; kept for programs that know it",
        "主体检测失败",
        "本服务不会返回，仅为兼容旧程序保留",
    )
    IMAGE_RECOGNIZE = Row(
        282810,
        "image recognize error",
        8,
        "recognition failed",
        "this server never answers it; kept for programs that know it",
        "识别失败",
        "本服务不会返回，仅为兼容旧程序保留",
    )
    ITEM_MISSING = Row(
        216680,
        "item not exist",
        102,
        "no such picture in the library",
        "check the `cont_sign`, and that it is the library of the same service; one changed "
        "pixel makes another picture",
        "图库中没有这张图片",
        "核对 `cont_sign`，并确认是同一服务的图库；像素有任何改动即视为另一张图片",
    )
    ITEM_EXISTS = Row(
        216681,
        "item exist",
        101,
        "the same picture is in the library already",
        "use the `cont_sign` of the answer; to change brief or classes, call update",
        "图库中已有同一张图片",
        "直接使用应答中的 `cont_sign`；要修改 brief 或分类请调用更新接口",
    )
    LIBRARY_EXISTS = Row(
        216681,
        "item exist",
        104,
        "the application has a library for this service already",
        "use the library that is there",
        "应用已有该服务的图库",
        "直接使用已有的图库",
    )
    MISSING_PARAMETERS = Row(
        282003,
        "missing parameters",
        1,
        "native and batch calls",
        "send the parameter that the message names",
        "缺少参数",
        "补上提示中的参数",
    )
    INVALID_PARAMETERS = Row(
        282004,
        "invalid parameter(s)",
        1,
        "native and batch calls",
        "correct the parameter that the message names",
        "参数不合法",
        "按提示修改参数",
    )
    BATCH_FAILED = Row(
        282005,
        "batch processing error",
        11,
        "some of a batch failed",
        "look at the answer of each part and repeat those that failed",
        "批量请求中有部分失败",
        "查看每一项的结果，只重试失败的项",
    )
    BATCH_LIMIT = Row(
        282006,
        "batch task limit reached",
        1,
        "more in one batch than allowed",
        "send smaller batches",
        "一次提交的数量超限",
        "减少每批的数量",
    )
    URL_ILLEGAL = Row(
        282111,
        "url format illegal",
        100,
        "not http or https, or an address that is refused",
        "use a full http or https address; for a network of your own: `TUSOU_FETCH_ALLOW`",
        "不是 http 或 https，或该地址被禁止访问",
        "使用完整的 http 或 https 地址；图片在内网时设置 `TUSOU_FETCH_ALLOW`",
    )
    URL_TIMEOUT = Row(
        282112,
        "url download timeout",
        100,
        "the download took too long",
        "try again; raise `TUSOU_FETCH_SECONDS`, or send the picture itself as `image`",
        "下载超时",
        "重试；调大 `TUSOU_FETCH_SECONDS`，或下载后用 `image` 上传",
    )
    URL_RESPONSE = Row(
        282113,
        "url response invalid",
        100,
        "the other server did not answer with a picture",
        "open the URL from the server's own machine: hotlink protection and sign-in pages "
        "are usual; or send the picture as `image`",
        "对方服务器没有返回图片",
        "在服务所在的机器上访问该 URL，常见原因是防盗链或需要登录；也可下载后用 `image` 上传",
    )
    URL_SIZE = Row(
        282114,
        "url size error",
        100,
        "the download is larger than allowed",
        "make the picture smaller, or send it as `image`",
        "下载的文件超过大小限制",
        "压缩图片，或缩小后用 `image` 上传",
    )
    REQUEST_MISSING = Row(
        282808,
        "request id not exist",
        1,
        "no such asynchronous task",
        "check the number of the task",
        "任务不存在",
        "核对任务编号",
    )
    RESULT_TYPE = Row(
        282809,
        "result type error",
        1,
        "asynchronous tasks",
        "this server never answers it; kept for programs that know it",
        "异步任务的结果类型错误",
        "本服务不会返回，仅为兼容旧程序保留",
    )
    BASE64 = Row(
        283300,
        "image recognize error",
        1,
        "the base64 text does not decode",
        "encode the file's bytes with base64, then the whole with URL encoding (`+` becomes `%2B`)",
        "base64 无法解码",
        "先对文件内容做 base64，再做 URL 编码（`+` 要变成 `%2B`）",
    )

    @property
    def code(self) -> int:
        """The cloud interface's error_code."""
        return self.value.code

    @property
    def urn(self) -> str:
        """The native interface's name of it."""
        return f"urn:tusou:problem:{self.name.lower().replace('_', '-')}"

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
    cure: str
    chinese_when: str
    chinese_cure: str


class LocalProblem(Enum):
    """What the client library finds before it sends, or instead of an answer."""

    TOO_LARGE = LocalRow(
        "SDK100",
        "image size error",
        Problem.IMAGE_SIZE,
        "over 4 MiB in base64",
        "make the picture smaller",
        "base64 后超过 4 MiB",
        "压缩图片",
    )
    SIDES = LocalRow(
        "SDK101",
        "image length error",
        Problem.IMAGE_SIZE,
        "a side or the aspect out of range",
        "make it larger or smaller, by the table of services",
        "边长或长宽比超出范围",
        "按服务列表中的要求缩放图片",
    )
    UNREADABLE = LocalRow(
        "SDK102",
        "read image file error",
        Problem.IMAGE_EMPTY,
        "the file cannot be read",
        "check the path and the right to read it",
        "文件无法读取",
        "检查路径和读取权限",
    )
    TIMEOUT = LocalRow(
        "SDK108",
        "connection or read data timeout",
        Problem.UNAVAILABLE,
        "no answer in time; the call may have been carried out",
        "give the same call again: adding the same picture twice is refused, not done; or "
        "`setSocketTimeoutInMillis`",
        "超时没有应答，但调用可能已经执行",
        "直接重试：重复入库只会被拒绝，不会产生重复图片；也可用 `setSocketTimeoutInMillis` 调"
        "大超时",
    )
    FORMAT = LocalRow(
        "SDK109",
        "unsupported image format",
        Problem.IMAGE_FORMAT,
        "not a PNG, JPEG or BMP picture, or a broken one",
        "turn it into PNG, JPEG or BMP",
        "不是 PNG、JPEG、BMP，或文件已损坏",
        "转换为 PNG、JPEG 或 BMP",
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
