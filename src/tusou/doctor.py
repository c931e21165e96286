"""Whether this machine and this folder are fit for the server, and what to do where they are not.

Each check looks at one thing, changes nothing that lasts, and says what it found in English and
Chinese. It may run beside a server.
"""

import errno
import os
import platform
import shutil
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from cryptography import x509

from tusou import machine
from tusou.checks import (
    check_blobs,
    check_indexing,
    check_key_file,
    check_models,
    count_lost_files,
    count_missing_task_files,
)
from tusou.errors import TusouError
from tusou.holding import is_served
from tusou.office import Office
from tusou.settings import Settings
from tusou.storage.database import Database

GIB: Final = 1 << 30
_DISK: Final = 1 * GIB, 10 * GIB
"""Free bytes below which the server should not start, and below which it will not last."""
_MEMORY: Final = 512 << 20, 2 * GIB
"""Likewise of memory. The server takes about 240 MiB before it has pictures; docs/performance.md
says what they add."""
_CERTIFICATE_DAYS: Final = 14
_NEEDED_FLAGS: Final = {"x86_64": ("sse4_2", "popcnt"), "aarch64": ("asimd",)}
_WANTED_FLAGS: Final = {"x86_64": ("avx2", "fma"), "aarch64": ()}

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Words:
    """One text in both languages."""

    english: str
    chinese: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    subject: Words
    level: Level
    found: Words
    cure: Words | None = None
    """What to do; None where all is well."""


Check = Callable[[Settings], Iterator[Finding]]


def examine(settings: Settings) -> Iterator[Finding]:
    """All findings, one after the other."""
    for check in (ports, certificate, disk, memory, processor, models):
        yield from check(settings)
    strangers = list(owner(settings))
    yield from strangers
    # Whatever another user's process makes there, the server could not change.
    for check in () if strangers else (database, blobs, indexes, task_files):
        yield from check(settings)
    yield from clock(settings)


def owner(settings: Settings) -> Iterator[Finding]:
    """Whether somebody else owns the data; nothing where nobody does."""
    if not settings.data.exists() or settings.data.stat().st_uid == os.geteuid():
        return
    name = settings.data.owner()
    yield Finding(
        Words("data folder", "数据目录"),
        "problem",
        Words(f"{settings.data} belongs to {name}", f"{settings.data} 属于用户 {name}"),
        Words(
            f"run this, and the server, as that user: sudo -u {name} tusou doctor",
            f"请以该用户身份运行本命令和服务：sudo -u {name} tusou doctor",
        ),
    )


def ports(settings: Settings) -> Iterator[Finding]:
    """Whether the ports of the settings are free, or held by the server of this folder."""
    wanted = [(settings.host, settings.port, "TUSOU_PORT")]
    wanted += [
        (settings.private_host, port, "TUSOU_PRIVATE_PORTS") for port, _ in settings.private_ports
    ]
    for host, port, variable in wanted:
        subject = Words(f"port {port}", f"端口 {port}")
        error = machine.bind(host, port)
        if error is None:
            yield Finding(subject, "ok", Words(f"free on {host}", f"{host} 上空闲"))
        elif error == errno.EADDRINUSE and is_served(settings):
            yield Finding(
                subject,
                "ok",
                Words(
                    "in use; a tusou server runs on this folder",
                    "已被占用；该数据目录上的 tusou 服务正在运行",
                ),
            )
        else:
            reason = os.strerror(error)
            yield Finding(
                subject,
                "problem",
                Words(f"cannot be used on {host}: {reason}", f"无法在 {host} 上监听：{reason}"),
                Words(
                    f"find who has it (ss -ltnp 'sport = :{port}'), or set {variable} to another",
                    f"用 ss -ltnp 'sport = :{port}' 找出占用者，或通过 {variable} 更换端口",
                ),
            )


def certificate(settings: Settings) -> Iterator[Finding]:
    """Whether the TLS files fit together and are in date; nothing where there are none."""
    file = settings.tls_certificate
    if file is None:
        return
    subject = Words("TLS certificate", "TLS 证书")
    cure = Words(
        "set TUSOU_TLS_CERTIFICATE and TUSOU_TLS_KEY to PEM files that belong together",
        "将 TUSOU_TLS_CERTIFICATE 和 TUSOU_TLS_KEY 设为互相匹配的 PEM 文件",
    )
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            file, settings.tls_key, password=lambda: ""
        )
        end = x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:  # SSLError is an OSError
        yield Finding(subject, "problem", Words(f"{file}: {error}", f"{file}：{error}"), cure)
        return
    days = int((end.timestamp() - time.time()) // 86400)
    day = end.date().isoformat()
    found = Words(f"{file} is good until {day}", f"{file} 有效期至 {day}")
    if days >= _CERTIFICATE_DAYS:
        yield Finding(subject, "ok", found)
        return
    renew = Words("renew it and restart the server", "请更新证书并重启服务")
    yield Finding(subject, "warning" if days >= 0 else "problem", found, renew)


def disk(settings: Settings) -> Iterator[Finding]:
    """Whether there is room for the database and the pictures."""
    free = shutil.disk_usage(machine.existing(settings.data)).free
    yield _measured(
        Words("disk", "磁盘"),
        free,
        _DISK,
        Words(
            f"{_gib(free)} GiB are free for {settings.data.absolute()}",
            f"{settings.data.absolute()} 所在磁盘剩余 {_gib(free)} GiB",
        ),
        Words(
            "make room, or put the data on a larger disk with TUSOU_DATA or --data",
            "请清理磁盘，或用 TUSOU_DATA 或 --data 将数据放到更大的磁盘上",
        ),
    )


def memory(_: Settings) -> Iterator[Finding]:
    """Whether there is memory for the models and a library."""
    free = machine.available_memory()
    yield _measured(
        Words("memory", "内存"),
        free,
        _MEMORY,
        Words(f"{_gib(free)} GiB are available", f"可用内存 {_gib(free)} GiB"),
        Words(
            "stop other programs or give the machine more memory",
            "请停止其他程序，或为机器增加内存",
        ),
    )


def processor(_: Settings) -> Iterator[Finding]:
    """Whether the processor has what the libraries were built for."""
    kind, cores = platform.machine(), len(os.sched_getaffinity(0))
    subject = Words("processor", "处理器")
    if kind not in _NEEDED_FLAGS:
        yield Finding(
            subject,
            "problem",
            Words(f"{kind} is not supported", f"不支持 {kind} 架构"),
            Words("use a 64-bit x86 or ARM machine", "请使用 64 位 x86 或 ARM 机器"),
        )
        return
    flags = machine.processor_flags()
    lacking = [flag for flag in _NEEDED_FLAGS[kind] if flag not in flags]
    slow = [flag for flag in _WANTED_FLAGS[kind] if flag not in flags]
    if lacking or slow:
        names = ", ".join(lacking or slow)
        yield Finding(
            subject,
            "problem" if lacking else "warning",
            Words(f"{kind} without {names}", f"{kind}，缺少指令集 {names}"),
            Words(
                "use a newer processor; in a virtual machine, pass the host's model through",
                "请换用较新的处理器；若为虚拟机，请透传宿主机的 CPU 型号",
            ),
        )
        return
    yield Finding(
        subject,
        "ok",
        Words(f"{kind}, cores to use: {cores}", f"{kind}，可用核数 {cores}"),
    )


def models(settings: Settings) -> Iterator[Finding]:
    """Whether the models of new libraries load and run."""
    subject = Words("models", "模型")
    cure = Words(
        "see `tusou model list`; add the pack with `tusou model add`, or set TUSOU_PACK to another",
        "用 `tusou model list` 查看；用 `tusou model add` 添加模型包，或通过 TUSOU_PACK 换用其他包",
    )
    try:
        packs = ", ".join(check_models(settings))
    except (TusouError, ValueError) as error:
        said = _said(error)
        yield Finding(subject, "problem", Words(said, said), cure)
        return
    found = Words(f"{packs}: all load and run", f"{packs} 均可正常加载和运行")
    yield Finding(subject, "ok", found)


def database(settings: Settings) -> Iterator[Finding]:
    """Whether the database opens, is of this version, and has all that its libraries need."""
    subject = Words("database", "数据库")
    opened = None
    try:
        opened = Database(settings.database_url)
        state = opened.state()
    except (RuntimeError, ValueError, TusouError) as error:
        said = _said(error)
        cure = Words(
            "check TUSOU_DATABASE and TUSOU_DATA, and whether this user may read and write there; "
            "in place of a damaged file put a copy of it",
            "请检查 TUSOU_DATABASE 和 TUSOU_DATA，以及当前用户是否有读写权限；"
            "文件已损坏时请用备份恢复",
        )
        yield Finding(subject, "problem", Words(said, said), cure)
        return
    finally:
        if opened is not None:
            opened.close()
    match state:
        case "absent":
            found = Words(
                "none yet; the server makes it at its start", "尚未创建；服务启动时会自动创建"
            )
            yield Finding(subject, "ok", found)
        case "older":
            yield Finding(
                subject,
                "warning",
                Words("was written by an older version", "由旧版本写入"),
                Words(
                    "make a copy of the data folder; the server brings it up to date at its start, "
                    "and then older versions cannot open it",
                    "请先备份数据目录；服务启动时会自动升级，升级后旧版本将无法打开",
                ),
            )
        case "newer":
            yield Finding(
                subject,
                "problem",
                Words("was written by a newer version", "由更新的版本写入"),
                Words(
                    "install that version, or restore a copy from before",
                    "请安装该版本，或恢复升级前的备份",
                ),
            )
        case "current":
            try:
                check_key_file(settings)
            except (OSError, RuntimeError, TusouError) as error:
                yield _unfit_key(_said(error))
            else:
                yield _libraries(settings, subject)


def _unfit_key(said: str) -> Finding:
    return Finding(
        Words("key file", "密钥文件"),
        "problem",
        Words(said, said),
        Words(
            "restore secret.key from a copy of this data folder; where there is none, give every "
            "application new keys: tusou app reset-key APP_ID",
            "请从该数据目录的备份中恢复 secret.key；没有备份时，须为每个应用重置密钥："
            "tusou app reset-key APP_ID",
        ),
    )


def _libraries(settings: Settings, subject: Words) -> Finding:
    with Office(settings) as office:
        known = {pack.id for pack in office.shelf.packs()}
        missing = {pack for pack, _ in office.needed_packs()} - known
        rows = office.registry.list()
    if missing:
        names = ", ".join(sorted(missing))
        return Finding(
            subject,
            "problem",
            Words(
                f"libraries need model packs that are not installed: {names}",
                f"图库所需的模型包未安装：{names}",
            ),
            Words("add them with `tusou model add`", "请用 `tusou model add` 添加"),
        )
    size = sum(row.size for row in rows)
    return Finding(
        subject,
        "ok",
        Words(
            f"libraries: {len(rows)}, pictures: {size:,}", f"图库 {len(rows)} 个，图片 {size:,} 张"
        ),
    )


def blobs(settings: Settings) -> Iterator[Finding]:
    """Whether pictures can be kept."""
    subject = Words("pictures", "图片存储")
    folder = settings.blobs if "://" in settings.blobs else settings.blobs_folder
    if isinstance(folder, Path) and not folder.exists():
        there = machine.existing(folder)
        if os.access(there, os.W_OK | os.X_OK):
            found = Words(
                f"the server makes {folder} at its start", f"服务启动时会自动创建 {folder}"
            )
            yield Finding(subject, "ok", found)
            return
        said = Words(f"this user may not write to {there}", f"当前用户无权写入 {there}")
    else:
        try:
            check_blobs(settings)
        except (OSError, RuntimeError, TusouError) as error:
            told = _said(error.__cause__ or error)
            said = Words(f"{folder}: {told}", f"{folder}：{told}")
        else:
            yield _lost_files(settings, subject, folder)
            return
    cure = Words(
        "let the server's user own the data folder, on a disk that is not read-only",
        "请将数据目录的属主设为运行服务的用户，并确认磁盘不是只读",
    )
    yield Finding(subject, "problem", said, cure)


def _lost_files(settings: Settings, subject: Words, folder: Path | str) -> Finding:
    """Whether the pictures of the database have their files, where both can be read."""
    lost = 0
    with suppress(RuntimeError, ValueError, TusouError):  # told by `database`
        with closing(Database(settings.database_url)) as opened:
            current = opened.state() == "current"
        lost = count_lost_files(settings) if current else 0
    if not lost:
        found = Words(f"{folder} takes and returns them", f"{folder} 可正常读写")
        return Finding(subject, "ok", found)
    return Finding(
        subject,
        "warning",
        Words(f"pictures without their files: {lost:,}", f"缺少文件的图片：{lost:,} 张"),
        Words(
            "restore the folder from a copy; `tusou library check APP_ID SERVICE` names the "
            "pictures. They are found all the same, but cannot be shown or moved to another pack",
            "请从备份中恢复该目录；`tusou library check APP_ID SERVICE` 会列出这些图片。"
            "检索不受影响，但无法显示，也无法迁移到其他模型包",
        ),
    )


def indexes(settings: Settings) -> Iterator[Finding]:
    """Whether the engine of indexes can be used; nothing where they are in the server itself."""
    if not settings.milvus:
        return
    subject = Words("Milvus", "Milvus")
    try:
        check_indexing(settings)
    except RuntimeError as error:
        cure = Words(
            "set TUSOU_MILVUS and TUSOU_MILVUS_WORDS to servers that run; see docs/scaling.md",
            "请将 TUSOU_MILVUS 和 TUSOU_MILVUS_WORDS 设为正在运行的服务，参见 docs/scaling.zh.md",
        )
        yield Finding(subject, "problem", Words(str(error), str(error)), cure)
        return
    yield Finding(subject, "ok", Words("answers", "可正常访问"))


def task_files(settings: Settings) -> Iterator[Finding]:
    """Whether servers that share a database see each other's task files; one server does."""
    if not settings.is_shared:
        return
    subject, folder = Words("task files", "任务文件"), settings.data / "tasks"
    try:
        missing = count_missing_task_files(settings)
    except (RuntimeError, ValueError, TusouError):
        return  # of the database, which has a check of its own
    if missing:
        yield Finding(
            subject,
            "problem",
            Words(f"{folder} lacks those of {missing}", f"{folder} 中缺少 {missing} 个任务的文件"),
            Words(
                "mount one folder there for all servers: any of them may do a task that another "
                "was sent",
                "请让所有进程在此挂载同一个目录：任务可能由接收文件以外的进程执行",
            ),
        )
    else:
        yield Finding(subject, "ok", Words("all there", "齐全"))


def clock(settings: Settings) -> Iterator[Finding]:
    """Whether the time can be right: signatures, tokens and bills go by it."""
    subject = Words("clock", "时钟")
    now = time.time()
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    # What has been written cannot lie in the future.
    written = [Path(__file__), settings.data / "tusou.db", settings.data / "secret.key"]
    newest = max(path.stat().st_mtime for path in written if path.exists())
    cure = Words(
        "set the time and keep it by NTP (timedatectl set-ntp true); "
        "official clients' signatures fail when it is off by minutes",
        "请校准时间并启用 NTP（timedatectl set-ntp true）；偏差达数分钟时官方客户端的签名会失效",
    )
    if now < newest - 60:
        found = Words(f"{shown} is before files of ours", f"{shown} 早于已有文件的时间")
        yield Finding(subject, "problem", found, cure)
    elif machine.clock_is_unsynchronised():
        found = Words(f"{shown}, which nothing keeps right", f"{shown}，未与时间服务器同步")
        yield Finding(subject, "warning", found, cure)
    else:
        yield Finding(subject, "ok", Words(f"{shown}, synchronised", f"{shown}，已同步"))


def _measured(
    subject: Words, amount: int, limits: tuple[int, int], found: Words, cure: Words
) -> Finding:
    if amount >= limits[1]:
        return Finding(subject, "ok", found)
    return Finding(subject, "warning" if amount >= limits[0] else "problem", found, cure)


def _gib(size: int) -> str:
    return f"{size / GIB:.1f}"


def _said(error: BaseException) -> str:
    return error.message if isinstance(error, TusouError) else str(error)
