"""Holds the rooms of docs/DESIGN.md: who may import whom, one door per library, no cycles."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("vmforge", "http_server", "boot_configs")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

MACHINERY = {"vmforge.hypervisor", "vmforge.console", "vmforge.media", "vmforge.cache"}

# Room -> the rooms that it may import, besides itself. `vmforge` alone is the package's version.
ALLOWED: dict[str, set[str]] = {
    "vmforge": set(),
    "vmforge.__main__": {"vmforge.cli"},
    "vmforge.errors": set(),
    "http_server": set(),
    "boot_configs": set(),
    "vmforge.diagnostics": {"vmforge.errors"},
    "vmforge.sdk": {"vmforge", "vmforge.errors", "vmforge.diagnostics"},
    "vmforge.cache": {"vmforge.errors", "vmforge.sdk"},
    "vmforge.hypervisor": {"vmforge.errors", "vmforge.sdk"},
    "vmforge.console": {"vmforge.errors", "vmforge.sdk", "vmforge.diagnostics"},
    "vmforge.communicators": {"vmforge.errors", "vmforge.sdk"},
    "vmforge.media": {"vmforge", "vmforge.errors", "vmforge.sdk", "vmforge.cache"},
    "vmforge.package_cache": {"vmforge.errors", "vmforge.sdk", "vmforge.cache", "http_server"},
    "vmforge.bundles": {
        "vmforge",
        "vmforge.errors",
        "vmforge.sdk",
        "vmforge.cache",
        "vmforge.media",
        "vmforge.package_cache",
    },
    "vmforge.images": {
        "vmforge.errors",
        "vmforge.sdk",
        "vmforge.hypervisor.disks",
        "vmforge.hypervisor.contents",
    },
    "vmforge.scripts": {"vmforge.errors", "vmforge.sdk"},
    "vmforge.provisioners": {"vmforge.errors", "vmforge.sdk", "vmforge.scripts", "vmforge.media.checksum"},
    "vmforge.post_processors": {
        "vmforge",
        "vmforge.errors",
        "vmforge.sdk",
        "vmforge.images",
        "vmforge.scripts",
        "vmforge.hypervisor.disks",
    },
    "vmforge.builders": {
        "vmforge.errors",
        "vmforge.sdk",
        "vmforge.images",
        "vmforge.scripts",
        "http_server",
        "boot_configs",
        *MACHINERY,
    },
    "vmforge.data_sources": {"vmforge.errors", "vmforge.sdk"},
    "vmforge.template": {"vmforge", "vmforge.errors", "vmforge.diagnostics", "vmforge.sdk"},
    "vmforge.pipeline": {
        "vmforge.errors",
        "vmforge.diagnostics",
        "vmforge.sdk",
        "vmforge.template",
        "vmforge.cache",
    },
    "vmforge.cli": {
        "vmforge",
        "vmforge.errors",
        "vmforge.diagnostics",
        "vmforge.sdk",
        "vmforge.template",
        "vmforge.pipeline",
        "vmforge.images",
        "vmforge.cache",
        "vmforge.media",
        "vmforge.package_cache",
        "vmforge.bundles",
        "vmforge.console.png",
        "vmforge.console.screen",
        "boot_configs",
    },
}

# Library -> the only places that may import it.
DOORS = {
    "libvirt": ("vmforge/hypervisor/",),
    "libvirt_qemu": ("vmforge/hypervisor/",),
    "paramiko": ("vmforge/communicators/ssh",),
    "pypsrp": ("vmforge/communicators/winrm/",),
    "pycdlib": ("vmforge/media/",),
    "pysequoia": ("vmforge/media/openpgp.py",),
    "proxmoxer": ("vmforge/builders/proxmox/client.py",),
    "pyVim": ("vmforge/builders/vsphere/client.py",),
    "pyVmomi": ("vmforge/builders/vsphere/",),
    "requests": (
        "vmforge/builders/proxmox/client.py",
        "vmforge/builders/vsphere/transfer.py",
        "vmforge/media/download",
        "vmforge/sdk/cloud/rest.py",
        "vmforge/communicators/winrm/",
        "vmforge/template/functions/secrets.py",
        "vmforge/post_processors/upload/http.py",
    ),
    "docker": ("vmforge/builders/docker/",),
    "azure": ("vmforge/builders/azure/login.py",),
    "google": ("vmforge/builders/googlecompute/login.py",),
    "openstack": ("vmforge/builders/openstack/api.py",),
    "keystoneauth1": ("vmforge/builders/openstack/api.py",),
    "hvac": ("vmforge/template/functions/secrets.py",),
    "boto3": (
        "vmforge/builders/digitalocean/spaces.py",
        "vmforge/template/functions/secrets.py",
        "vmforge/post_processors/upload/s3.py",
        "vmforge/builders/amazon/api.py",
        "vmforge/builders/docker/ecr.py",
    ),
    "botocore": (
        "vmforge/builders/digitalocean/spaces.py",
        "vmforge/template/functions/secrets.py",
        "vmforge/post_processors/upload/s3.py",
        "vmforge/builders/amazon/api.py",
        "vmforge/builders/docker/ecr.py",
    ),
    "yaml": (
        "vmforge/template/functions/yaml_text.py",
        "vmforge/builders/cloud_init.py",
        "vmforge/builders/answer_checks/documents.py",
    ),
    "jinja2": ("boot_configs/rendering.py",),
    "pykickstart": ("vmforge/builders/answer_checks/kickstart.py",),
    "typer": ("vmforge/cli/",),
    "tqdm": ("vmforge/cli/",),
}


def module_name(path: Path) -> str:
    relative = path.relative_to(ROOT).with_suffix("")
    return ".".join(part for part in relative.parts if part != "__init__")


def imports(path: Path, *, top_level_only: bool = False) -> Iterator[str]:
    """The modules that a file imports; those needed for type checking alone are left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else list(_running_code(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write absolute imports"
            for alias in node.names:
                deeper = f"{node.module}.{alias.name}"
                yield deeper if _is_module(deeper) else str(node.module)


def _running_code(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node
        yield from _running_code(node)


def _is_module(name: str) -> bool:
    base = ROOT.joinpath(*name.split("."))
    return base.with_suffix(".py").is_file() or (base / "__init__.py").is_file()


def room_of(module: str) -> str:
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "vmforge" else parts[0]


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_only_what_its_room_may(path: Path) -> None:
    room = room_of(module_name(path))
    assert room in ALLOWED, f"{room} is no room of the design"
    for name in imports(path):
        if name.split(".")[0] not in PACKAGES or room_of(name) == room:
            continue
        allowed = ALLOWED[room]
        assert any(
            name == other or name.startswith(other + ".") for other in allowed if other != "vmforge"
        ) or (name == "vmforge" and "vmforge" in allowed), (
            f"{module_name(path)} imports {name}; {room} may import {sorted(allowed)}"
        )


# Packages that are written as a third party's would be.
PLATFORMS = ("vmforge.builders.docker",)


@pytest.mark.parametrize(
    "path", [p for p in MODULES if module_name(p).startswith(PLATFORMS)], ids=module_name
)
def test_a_platform_knows_the_sdk_alone(path: Path) -> None:
    own = next(platform for platform in PLATFORMS if module_name(path).startswith(platform))
    allowed = (own, "vmforge.errors", "vmforge.sdk")
    for name in imports(path):
        assert name.split(".")[0] not in PACKAGES or name.startswith(allowed), f"{path} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_library_has_one_door(path: Path) -> None:
    relative = str(path.relative_to(ROOT))
    for name in imports(path):
        doors = DOORS.get(name.split(".")[0])
        assert doors is None or relative.startswith(doors), (
            f"{relative} imports {name}, whose door is {doors}"
        )


def test_no_import_cycles() -> None:
    names = {module_name(path): path for path in MODULES}
    graph = {
        name: {other for other in imports(path, top_level_only=True) if other in names and other != name}
        for name, path in names.items()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail[trail.index(name) :], name))
        if name in done:
            return
        for other in sorted(graph[name]):
            visit(other, (*trail, name))
        done.add(name)

    for name in sorted(graph):
        visit(name, ())


@pytest.mark.parametrize("path", [p for p in MODULES if p.name == "__init__.py"], ids=module_name)
def test_every_room_states_its_purpose(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{path} has no docstring"
