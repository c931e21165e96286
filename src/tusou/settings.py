"""Every setting, with default and help; the only place that reads the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from tusou.services import SERVICES

Network = IPv4Network | IPv6Network


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def _services(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    unknown = [name for name in names if name not in SERVICES]
    if unknown:
        raise ValueError(f"no such service: {', '.join(unknown)}; there are {', '.join(SERVICES)}")
    return names


def _flag(text: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    try:
        return words[text.lower()]
    except KeyError:
        raise ValueError("write true or false") from None


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError("write a whole number of at least 1")
    return int(text)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("write a whole number, 0 or more")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << 16:
        raise ValueError("write a port from 0 to 65535")
    return int(text)


def _private_ports(text: str) -> tuple[tuple[int, str], ...]:
    if text.lower() == "standard":
        return STANDARD_PORTS
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    ports = tuple((_port(port.strip()), serves.strip()) for port, _, serves in pairs)
    for _, serves in ports:
        if serves != CONSOLE and serves not in SERVICES:
            known = ", ".join((*SERVICES, CONSOLE))
            raise ValueError(f"a port serves one of {known}, not {serves!r}; write 8025=similar")
    taken = [port for port, _ in ports if port]
    if len(set(taken)) < len(taken):
        raise ValueError("a port is named twice")
    return ports


CONSOLE = "console"
"""What a private port serves that leads to the management of libraries."""
STANDARD_PORTS = ((8025, "similar"), (8027, "picturebook"), (8120, "same_hq"), (8103, CONSOLE))
"""The manual's ports: two for search, one for features, one for managing libraries."""


def _setting(default: Any, parse: Any, help: str, chinese: str) -> Any:
    return field(default=default, metadata={"parse": parse, "help": help, "chinese": chinese})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The server's settings; `TUSOU_` and the name in capitals is the environment variable."""

    data: Path = _setting(
        Path("data"),
        Path,
        "Folder of the database, the pictures and the key file",
        "存放数据库、图片和密钥文件的目录",
    )
    host: str = _setting(
        "127.0.0.1",
        str,
        "Address to listen on; 0.0.0.0 for every network",
        "监听地址；0.0.0.0 表示所有网卡",
    )
    port: int = _setting(8080, _port, "Port to listen on", "监听端口")
    database: str = _setting(
        "",
        str,
        "SQLAlchemy URL of the database; empty: SQLite in the data folder",
        "数据库的 SQLAlchemy URL；留空则使用数据目录中的 SQLite",
    )
    blobs: str = _setting(
        "",
        str,
        "Where the pictures are: a folder, or s3://BUCKET/PREFIX; empty: blobs in the data folder",
        "存放图片的位置：目录，或 s3://BUCKET/PREFIX；留空则使用数据目录中的 blobs",
    )
    s3_endpoint: str = _setting(
        "",
        str,
        "Address of the S3 store, such as http://minio:9000; empty: Amazon's. Credentials are "
        "those of the AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY variables, or of the machine",
        "S3 存储的地址，例如 http://minio:9000；留空则使用亚马逊 S3。凭证取自 AWS_ACCESS_KEY_ID 和 "
        "AWS_SECRET_ACCESS_KEY 变量，或由机器角色提供",
    )
    milvus: str = _setting(
        "",
        str,
        "URL of the Milvus that pictures are found in, such as http://milvus:19530; empty: indexes "
        "in this process. With it and PostgreSQL, several servers share their libraries",
        "检索所用 Milvus 的 URL，例如 http://milvus:19530；留空则在本进程内建立索引。与 PostgreSQL "
        "配合使用时，多个服务进程可共用图库",
    )
    milvus_words: str = _setting(
        "",
        str,
        "URL of another Milvus for the visual words of same_hq and picturebook, which need 2.4 or "
        "newer; empty: the same",
        "same_hq 和 picturebook 的视觉词所用的另一个 Milvus 的 URL（需 2.4 或更高版本）；留空则使用"
        "同一个",
    )
    milvus_token: str = _setting(
        "",
        str,
        "Token of Milvus, USER:PASSWORD or a key; empty: it asks for none",
        "Milvus 的访问令牌，格式为 用户名:密码 或密钥；留空表示无需认证",
    )
    store_originals: bool = _setting(
        True,
        _flag,
        "Keep the pictures; false keeps features only",
        "是否保存原图；false 表示只保存特征",
    )
    library_capacity: int = _setting(
        500_000, _count, "Pictures a new library may hold", "新建图库的容量（张）"
    )
    pack: str = _setting(
        "",
        str,
        "Model pack that fills new libraries, by name or id; empty: the one made for each service",
        "新建图库使用的模型包；留空则各服务使用其专用模型包",
    )
    packs: Path | None = _setting(
        None,
        Path,
        "Folder of the model packs that were added; empty: packs in the data folder",
        "存放已添加模型包的目录；留空则使用数据目录中的 packs",
    )
    hub: str = _setting(
        "https://huggingface.co",
        str,
        "Where `tusou model add hf:…` downloads from; nothing else does",
        "`tusou model add hf:…` 的下载地址；除此之外不访问",
    )
    grant_capacity: bool = _setting(
        False,
        _flag,
        "Grant what users of the console ask for at once, libraries and more capacity; false: an "
        "operator decides",
        "控制台用户申请建库或扩容时是否自动通过；false 表示由管理员审批",
    )
    session_hours: int = _setting(
        12,
        _count,
        "Hours after which a console session that is not used ends",
        "控制台登录会话闲置多少小时后失效",
    )
    undo_seconds: int = _setting(
        10,
        _count,
        "How long a change of many pictures that is asked for in the console can be undone",
        "在控制台批量修改或删除图片后，可撤销的时间（秒）",
    )
    closed_services: tuple[str, ...] = _setting(
        (), _services, "Services switched off, comma separated", "停用的服务，用逗号分隔"
    )
    prices: Path | None = _setting(
        None,
        Path,
        "Price list: a TOML file like src/tusou/accounts/prices.toml; empty: that file",
        "价目表，格式同 src/tusou/accounts/prices.toml 的 TOML 文件；留空则使用该文件",
    )
    fetch_allow: tuple[Network, ...] = _setting(
        (),
        _networks,
        "Private networks that picture URLs may point to, such as 10.1.0.0/16, comma separated",
        "允许图片 URL 指向的内网网段，例如 10.1.0.0/16，用逗号分隔",
    )
    fetch_seconds: int = _setting(
        8,
        _count,
        "Longest time for one picture URL; the official Node client gives up after 10",
        "下载一个图片 URL 的最长时间（秒）；官方 Node 客户端 10 秒后放弃",
    )
    provider: str = _setting(
        "",
        str,
        "What runs the models: cpu, cuda or another that ONNX Runtime has here; empty: the fastest",
        "模型的运行后端，如 cpu、cuda，须为本机 ONNX Runtime 所支持；留空则自动选择最快的",
    )
    most_subjects: int = _setting(
        0,
        _number,
        "Most subjects in a product picture; none or more are refused with 216203; 0: take all",
        "商品图片中主体数量的上限，没有主体或超过上限时返回 216203；0 表示不限制",
    )
    candidates: int = _setting(
        60,
        _count,
        "Pictures that same_hq and picturebook verify for one search, and more only while the last "
        "ones still match",
        "same_hq 和 picturebook 每次检索几何校验的候选数量；仍有匹配时会继续校验更多",
    )
    verify_milliseconds: int = _setting(
        2000,
        _count,
        "Time after which one same_hq or picturebook search verifies no more candidates",
        "一次 same_hq 或 picturebook 检索用于几何校验的最长时间（毫秒）",
    )
    threads: int = _setting(
        # More than cores: pictures that arrive together are encoded together.
        max(8, 2 * (os.cpu_count() or 1)),
        _count,
        "Requests worked on at the same time",
        "同时处理的请求数",
    )
    queue: int = _setting(
        256,
        _count,
        "Requests in the server at the same time; one more is refused with code 4",
        "服务器内同时存在的请求数上限；超出时返回错误码 4",
    )
    queue_megabytes: int = _setting(
        512,
        _count,
        "Memory that the bodies of requests in the server take at most; one more is refused with "
        "code 4",
        "服务器内请求体占用的内存上限（MB）；超出时返回错误码 4",
    )
    import_megabytes: int = _setting(
        1024,
        _count,
        "Size of a file that an import through the native API may send",
        "通过原生 API 导入时，上传文件的大小上限（MB）",
    )
    wait_seconds: int = _setting(
        8,
        _count,
        "How long a request waits for its turn before it is refused with code 4; the official Node "
        "client gives up after 10",
        "请求排队的最长时间（秒），超时返回错误码 4；官方 Node 客户端 10 秒后放弃",
    )
    plan: str = _setting("open", str, "Plan of new applications", "新建应用的套餐")
    redis: str = _setting(
        "",
        str,
        "URL of a Redis that counts calls for several servers; empty: each counts its own",
        "多台服务器共用的调用计数 Redis 的 URL；留空则各自计数",
    )
    signature_seconds: int = _setting(
        3600,
        _count,
        "Longest time that a request signature is taken for, whatever it says itself",
        "请求签名的最长有效时间（秒），签名自带的有效期更长时以此为准",
    )
    clock_skew_seconds: int = _setting(
        300,
        _count,
        "How far the clock of a client that signs may be ahead",
        "签名客户端的时钟最多可以快多少秒",
    )
    trusted_proxies: tuple[Network, ...] = _setting(
        _networks("127.0.0.0/8, ::1"),
        _networks,
        "Networks of proxies whose X-Forwarded-For and X-Forwarded-Host are believed, comma "
        "separated",
        "可信代理的网段，采信其 X-Forwarded-For 和 X-Forwarded-Host，用逗号分隔",
    )
    private_ports: tuple[tuple[int, str], ...] = _setting(
        (),
        _private_ports,
        "Ports of the private interface and what each serves, such as 8025=similar, "
        "8103=console; standard for the manual's four; empty: none",
        "私有化接口的端口及各端口对应的服务，例如 8025=similar, 8103=console；standard 表示手册中的"
        "四个端口；留空则不监听",
    )
    private_host: str = _setting(
        "127.0.0.1",
        str,
        "Address that the private ports listen on",
        "私有化接口各端口的监听地址",
    )
    private_allow: tuple[Network, ...] = _setting(
        _networks("127.0.0.0/8, ::1"),
        _networks,
        "Networks that may call the private interface without a key, comma separated",
        "无需密钥即可调用私有化接口的网段，用逗号分隔",
    )
    private_key: str = _setting(
        "",
        str,
        "Key with which everybody else may call the private interface; empty: nobody else may",
        "其他来源调用私有化接口所需的密钥；留空则拒绝其他来源",
    )
    metrics_allow: tuple[Network, ...] = _setting(
        _networks("127.0.0.0/8, ::1"),
        _networks,
        "Networks that may read /metrics, comma separated",
        "允许读取 /metrics 的网段，用逗号分隔",
    )
    traces: str = _setting(
        "",
        str,
        "OTLP/HTTP address that traces are sent to, such as http://127.0.0.1:4318/v1/traces; "
        "empty: none are made",
        "接收链路追踪数据的 OTLP/HTTP 地址，例如 http://127.0.0.1:4318/v1/traces；留空则不启用",
    )
    tls_certificate: Path | None = _setting(
        None,
        Path,
        "Certificate chain (PEM); with it the main port speaks HTTPS",
        "证书链文件（PEM）；设置后主端口使用 HTTPS",
    )
    tls_key: Path | None = _setting(
        None,
        Path,
        "Private key of the certificate (PEM); empty: it is in the certificate's file",
        "证书的私钥文件（PEM）；留空表示私钥在证书文件中",
    )
    stop_seconds: int = _setting(
        30,
        _count,
        "How long a stopping server waits for requests in flight",
        "停止服务时等待处理中请求的时间（秒）",
    )

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, **given: object) -> "Settings":
        """Take the values given (None: not given), then the environment, then the defaults.

        Raises:
            ValueError: a variable has no acceptable value; the message names it.
        """
        environ = os.environ if environ is None else environ
        values = {name: value for name, value in given.items() if value is not None}
        for row in fields(cls):
            variable = f"TUSOU_{row.name.upper()}"
            if row.name in values or not environ.get(variable, "").strip():
                continue
            try:
                values[row.name] = row.metadata["parse"](environ[variable].strip())
            except ValueError as error:
                raise ValueError(f"{variable}={environ[variable]!r}: {error}") from error
        return cls(**values)  # type: ignore[arg-type]

    @property
    def packs_folder(self) -> Path:
        """The folder of added model packs, the default filled in."""
        return self.packs or self.data / "packs"

    @property
    def is_shared(self) -> bool:
        """Whether several servers may work on the same libraries."""
        return bool(self.milvus) and not self.database_url.startswith("sqlite")

    @property
    def blobs_folder(self) -> Path:
        """The folder of pictures, the default filled in; of no meaning for a store elsewhere."""
        return Path(self.blobs) if self.blobs else self.data / "blobs"

    @property
    def database_url(self) -> str:
        """The database, the default filled in."""
        return self.database or f"sqlite:///{self.data.absolute() / 'tusou.db'}"
