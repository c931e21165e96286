"""Whether this machine is fit for the server: ports, disk, memory, processor, clock."""

import errno
import os
import platform
import shutil
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cryptography import x509

from tusou import machine
from tusou.doctor.finding import Finding, Words
from tusou.holding import is_served
from tusou.settings import Settings

GIB: Final = 1 << 30
_DISK: Final = 1 * GIB, 10 * GIB
"""Free bytes below which the server should not start, and below which it will not last."""
_MEMORY: Final = 512 << 20, 2 * GIB
"""Likewise of memory. The server takes about 240 MiB before it has pictures; docs/performance.md
says what they add."""
_CERTIFICATE_DAYS: Final = 14
_NEEDED_FLAGS: Final = {"x86_64": ("sse4_2", "popcnt"), "aarch64": ("asimd",)}
_WANTED_FLAGS: Final = {"x86_64": ("avx2", "fma"), "aarch64": ()}


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
