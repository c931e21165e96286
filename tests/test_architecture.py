"""The table of who may import whom, and which module owns which foreign library."""

import ast
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
LEAVES = {"errors", "types", "services", "settings", "stages", "expressions"}

MAY_IMPORT = {
    "errors": set[str](),
    "types": set[str](),
    "services": set[str](),
    "expressions": {"errors", "types"},
    "settings": {"services"},
    "stages": set[str](),
    "memory": set[str](),
    "images": LEAVES,
    "vision": LEAVES,
    "index": LEAVES,
    "storage": LEAVES,
    "accounts": LEAVES | {"storage"},
    "backup": {"errors", "storage"},
    "library": LEAVES | {"images", "vision", "index", "storage"},
    "tasks": LEAVES | {"images", "storage", "library", "intake"},
    "duty": {"errors", "storage"},
    # Names the concrete engines, and so loads what only they need.
    "backends": LEAVES | {"vision", "index", "storage", "library"},
    "holding": LEAVES,
    "office": LEAVES | {"vision", "storage", "accounts", "library", "backends"},
    "checks": LEAVES | {"vision", "storage", "accounts", "library", "backends", "tasks"},
    "runtime": LEAVES
    | {"images", "vision", "index", "storage", "accounts", "library", "tasks", "backup"}
    | {"backends", "duty", "holding", "office", "memory"},
    # The client needs what both sides know, and reads pictures' headers by the server's own rules;
    # of `images` only what needs no foreign library (tests/client says so).
    "client": {"errors", "services", "images"},
    "start": {"cli"},
    "intake": {"errors"},
    "exports": {"intake"},  # how far it is, told alike
    "bundle": set[str](),
    "top": {"errors", "stages"},
    "machine": set[str](),
    "doctor": LEAVES | {"machine", "storage", "checks", "holding", "office"},
    "web": LEAVES | {"library", "accounts", "office", "runtime", "tasks"},
    # `serve` starts the web application, `eval` judges what libraries answer, `import` reads fields
    # and `export` tells of pictures as the web does, `search` shows the searched picture; nothing
    # else of the command line needs them.
    "cli": LEAVES
    | {"runtime", "backup", "bundle", "doctor", "top", "accounts", "library", "web", "client"}
    # `transfer` knows two stores and no server.
    | {"intake", "exports", "images", "backends", "storage"}
    | {"office", "holding"},
}

# A foreign library lives in the modules named here and nowhere else.
OWNERS = {
    "faiss": ("index.",),
    "pymilvus": ("index.milvus",),
    "grpc": ("index.milvus",),
    "boto3": ("storage.s3",),
    "botocore": ("storage.s3",),
    "onnxruntime": ("vision.session",),
    "tokenizers": ("vision.text",),
    "cv2": ("vision.", "images.decode"),
    "PIL": ("images.",),
    "httpcore": ("images.fetch",),
    "limits": ("accounts.quotas", "accounts.counters"),
    "redis": ("accounts.counters",),
    "httpx": ("vision.hub", "client.", "cli.top"),
    "sqlalchemy": ("storage.", "accounts.", "library.feedback"),
    "alembic": ("storage.",),
    "cryptography": ("accounts.secrets", "doctor.host"),
    "argon2": ("accounts.passwords",),
    "jinja2": ("web.console.rendering",),
    "markupsafe": ("web.console.rendering",),
    "fastapi": ("web.",),
    "fastapi_offline": ("web.app",),
    "starlette": ("web.", "cli.listeners"),
    "anyio": ("web.",),
    "click": ("cli",),
    "threadpoolctl": ("runtime",),
    "uvicorn": ("cli.listeners",),
    "prometheus_client": ("web.metrics", "top.readings"),
    "opentelemetry": ("web.tracing",),
    "google": ("web.private.",),
    "numpy": (
        *("types", "vision.", "index.", "images.", "storage.items", "library."),
        *("exports.features", "web.escapes"),
    ),
    "pyarrow": ("exports.features",),
}


def _modules() -> dict[str, ast.Module]:
    modules = {}
    for path in sorted((SOURCE / "tusou").rglob("*.py")):
        if "migrations" in path.parts:
            continue
        name = ".".join(path.relative_to(SOURCE / "tusou").with_suffix("").parts)
        name = name.removesuffix("__init__").removesuffix(".")
        modules[name] = ast.parse(path.read_text("utf-8"))
    return modules


MODULES = _modules()


def _imports(tree: ast.Module) -> set[str]:
    names = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            base = node.module or ""
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return names


def _ours(tree: ast.Module) -> set[str]:
    """The modules of this package that one imports."""
    found = set[str]()
    for name in _imports(tree):
        parts = name.split(".")
        if parts[0] == "tusou" and len(parts) > 1:
            full = ".".join(parts[1:])
            found.add(full if full in MODULES else full.rpartition(".")[0])
    return found - {""}


@pytest.mark.parametrize("module", [name for name in MODULES if name])
def test_imports_point_one_way(module: str) -> None:
    package = module.split(".")[0]
    others = {name.split(".")[0] for name in _ours(MODULES[module])} - {package, "__version__"}
    assert others <= MAY_IMPORT[package], f"{module} must not import {others - MAY_IMPORT[package]}"


def test_modules_do_not_import_in_a_circle() -> None:
    graph = {name: _ours(tree) & set(MODULES) for name, tree in MODULES.items()}
    # The command group imports its commands at the end of its module, on purpose.
    graph["cli"] = set()
    while graph:
        free = {name for name, targets in graph.items() if not targets & set(graph) - {name}}
        assert free, f"a circle among {sorted(graph)}"
        graph = {name: targets for name, targets in graph.items() if name not in free}


@pytest.mark.parametrize("library", OWNERS)
def test_a_foreign_library_has_its_owners(library: str) -> None:
    users = {
        name
        for name, tree in MODULES.items()
        if any(used.split(".")[0] == library for used in _imports(tree))
    }
    strangers = {name for name in users if not f"{name}.".startswith(OWNERS[library])}
    strangers -= set(OWNERS[library])
    assert not strangers


def test_every_foreign_library_is_in_the_table() -> None:
    used = {name.split(".")[0] for tree in MODULES.values() for name in _imports(tree)}
    assert used - set(sys.stdlib_module_names) - {"tusou"} <= set(OWNERS)


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_owns(module: str) -> None:
    assert ast.get_docstring(MODULES[module])


def test_the_environment_is_read_in_settings_only() -> None:
    readers = {name for name, tree in MODULES.items() if "environ" in ast.dump(tree)}
    assert readers <= {"settings", "cli"}  # the command line names variables in its help


def test_no_module_but_the_table_compares_a_services_name() -> None:
    from tusou.services import SERVICES

    for name, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare):
                words = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
                assert not words & set(SERVICES), f"{name} line {node.lineno}"


def test_no_module_but_the_table_writes_an_error_code() -> None:
    from tusou.errors import Problem

    codes = {row.code for row in Problem if row.code > 1000}
    for name, tree in MODULES.items():
        if name == "errors":
            continue
        numbers = {part.value for part in ast.walk(tree) if isinstance(part, ast.Constant)}
        assert not {number for number in numbers if isinstance(number, int)} & codes, name
