"""Whether what the server keeps and needs is there: models, database, picture store, indexes."""

import os
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from tusou import machine
from tusou.checks import (
    check_blobs,
    check_indexing,
    check_key_file,
    check_models,
    count_lost_files,
    count_missing_task_files,
)
from tusou.doctor.finding import Finding, Words, message_of
from tusou.errors import TusouError
from tusou.office import Office
from tusou.settings import Settings
from tusou.storage.database import Database


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
        said = message_of(error)
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
        said = message_of(error)
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
                yield _unfit_key(message_of(error))
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
            told = message_of(error.__cause__ or error)
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
