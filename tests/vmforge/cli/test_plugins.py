"""`vmforge plugins`, and what a broken plugin does to the other commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.vmforge.cli.conftest import Finished
from tests.vmforge.installed import GREETER, distribution
from vmforge.cli.plugins_new import plugin_files

Run = Callable[..., Finished]

EXAMPLE = Path(__file__).parents[3] / "examples" / "plugin"
TEMPLATE = """\
source "null" "x" {
  communicator = "COMMUNICATOR"
}
build {
  sources = ["source.null.x"]
  provisioner "PROVISIONER" {}
}
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one plugin that works, and one in which nothing does."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    good = {"provisioners.greet": "cli_greet:Greeter"}
    distribution(folder, "vmforge-greet", good, {"cli_greet": GREETER}, version="0.3")
    kinds = ("builders", "communicators", "data_sources", "post_processors", "provisioners")
    bad = {f"{kind}.bad": "cli_bad:Anything" for kind in kinds}
    distribution(folder, "vmforge-bad", bad, {"cli_bad": "raise OSError('no licence')\n"})
    return folder


def write(folder: Path, communicator: str = "none", provisioner: str = "sleep") -> str:
    path = folder / "main.pkr.hcl"
    text = TEMPLATE.replace("COMMUNICATOR", communicator).replace("PROVISIONER", provisioner)
    path.write_text(text.replace('"sleep" {}', '"sleep" { duration = "0s" }'), encoding="utf-8")
    return str(path)


def test_list(site: Path, vmforge: Run) -> None:
    done = vmforge("plugins", "list")
    assert done.status == 0
    plugins, built_in = done.out.split("\n\n", 1)
    assert plugins.splitlines() == [
        "vmforge-bad 1.0",
        *(
            line
            for kind in ("builder", "communicator", "provisioner", "post-processor", "data-source")
            for line in (
                f"  {f'{kind} bad':18}  cannot be used",
                f"    {kind} `bad` of `vmforge-bad` 1.0 cannot be loaded: OSError: no licence",
                f"    at line 1 of {site}/cli_bad.py",
                "    hint: reinstall it: `pip install --force-reinstall vmforge-bad`",
            )
        ),
        "vmforge-greet 0.3",
        "  provisioner greet  ok, for SDK 1.0",
    ]
    assert built_in.startswith("built in\n  builder: ")


def test_list_for_programs(site: Path, vmforge: Run) -> None:
    found = json.loads(vmforge("plugins", "list", "--json").out)
    bad, greet = found["plugins"]
    assert not any(component["usable"] for component in bad["components"])
    assert greet == {
        "name": "vmforge-greet",
        "version": "0.3",
        "components": [
            {
                "kind": "provisioner",
                "name": "greet",
                "summary": "says hello",
                "class": "cli_greet:Greeter",
                "sdk_version": "1.0",
                "usable": True,
                "reason": "",
                "hint": "",
            }
        ],
    }
    assert "qemu" in found["built_in"]["builder"]


def test_show(site: Path, vmforge: Run) -> None:
    for name in ("greet", "vmforge-greet"):
        done = vmforge("plugins", "show", name)
        assert done.out.splitlines() == [
            "provisioner `greet`: says hello",
            "  of vmforge-greet 0.3, cli_greet:Greeter, for SDK 1.0",
        ]
    assert "  duration (duration" in vmforge("plugins", "show", "sleep").out
    assert json.loads(vmforge("plugins", "show", "greet", "--json").out)[0]["package"] == "vmforge-greet 0.3"
    wrong = vmforge("plugins", "show", "gret")
    assert (wrong.status, "did you mean `greet`?" in wrong.err) == (2, True)


def test_check(site: Path, vmforge: Run) -> None:
    done = vmforge("plugins", "check", "vmforge-greet")
    assert (done.status, done.out) == (
        0,
        "provisioner `greet` of vmforge-greet 0.3: ok\n1 component checked, none with faults\n",
    )
    broken = vmforge("plugins", "check", "bad")
    assert broken.status == 1
    assert broken.out.endswith("5 components checked, 5 with faults\n")


def test_check_finds_faults_and_remarks(site: Path, vmforge: Run) -> None:
    text = GREETER.replace('    summary = "says hello"\n    sdk_version = "1.0"\n', "")
    distribution(site, "vmforge-mute", {"provisioners.mute": "cli_mute:Greeter"}, {"cli_mute": text})
    done = vmforge("plugins", "check", "mute")
    assert done.status == 1
    assert done.out.splitlines() == [
        "provisioner `mute` of vmforge-mute 1.0:",
        "  has no `summary` of one line",
        '  warning: does not say what it was written for: add `sdk_version = "1.0"`',
        "1 component checked, 1 with faults",
    ]


def test_a_template_without_it_does_not_know_of_a_broken_plugin(
    site: Path, tmp_path: Path, vmforge: Run
) -> None:
    path = write(tmp_path)
    assert vmforge("validate", path).text == "[0]\n--- out\nThe configuration is valid.\n--- err\n"
    assert vmforge("build", path).status == 0
    assert vmforge("--help").status == 0
    assert vmforge("docs").status == 0
    assert vmforge("docs", "provisioner", "shell").status == 0


@pytest.mark.parametrize(
    ("options", "place"),
    [({"provisioner": "bad"}, "main.pkr.hcl:6"), ({"communicator": "bad"}, "main.pkr.hcl:2")],
)
def test_a_template_with_it_is_told(
    options: dict[str, str], place: str, site: Path, tmp_path: Path, vmforge: Run
) -> None:
    (kind,) = options
    for command in ("validate", "build"):
        done = vmforge(command, write(tmp_path, **options))
        assert done.status == 1
        assert f"error: {kind} `bad` of `vmforge-bad` 1.0 cannot be loaded: OSError: no licence\n" in done.err
        assert place in done.err
        assert done.err.count("error:") == 1


def test_a_template_with_a_broken_data_source_is_told(site: Path, tmp_path: Path, vmforge: Run) -> None:
    path = Path(write(tmp_path))
    path.write_text(path.read_text() + 'data "bad" "x" {}\n', encoding="utf-8")
    for command in ("validate", "build"):
        done = vmforge(command, str(path))
        assert done.status == 1
        assert "error: data-source `bad` of `vmforge-bad` 1.0 cannot be loaded: OSError" in done.err
        assert "main.pkr.hcl:8" in done.err


def test_a_plugin_is_used_by_a_build(site: Path, tmp_path: Path, vmforge: Run) -> None:
    done = vmforge("build", write(tmp_path, provisioner="greet"))
    assert (done.status, "null.x: hello" in done.out) == (0, True)


def test_a_fault_of_a_plugin_names_its_package(site: Path, tmp_path: Path, vmforge: Run) -> None:
    faulty = GREETER.replace('message("hello")', "bow()")
    assert faulty != GREETER
    distribution(site, "vmforge-rude", {"provisioners.rude": "cli_rude:Greeter"}, {"cli_rude": faulty})
    done = vmforge("build", write(tmp_path, provisioner="rude"))
    assert done.status == 1
    assert done.err.endswith("this happened in the plugin `vmforge-rude` 1.0; report it there\n")
    assert "Traceback" in done.err


def test_the_doctor_sees_other_builders_all_the_same(site: Path, vmforge: Run) -> None:
    told = vmforge("doctor").out
    assert "builder `bad` of `vmforge-bad` 1.0 cannot be loaded: OSError: no licence" in told
    assert "QEMU" in told or "qemu" in told


def test_init_names_the_package(site: Path, tmp_path: Path, vmforge: Run) -> None:
    path = tmp_path / "main.pkr.hcl"
    path.write_text(
        'packer {\n  required_plugins {\n    greet = {\n      version = ">= 1.0.0"\n'
        '      source  = "github.com/me/greet"\n    }\n  }\n}\n'
    )
    assert vmforge("init", str(path)).out == "github.com/me/greet: of `vmforge-greet` 0.3\n"


# -- new ------------------------------------------------------------------------------------------


def test_the_example_is_what_new_writes(tmp_path: Path, vmforge: Run) -> None:
    done = vmforge("plugins", "new", "acme", "--output", str(tmp_path / "plugin"))
    assert done.status == 0
    written = {
        str(p.relative_to(tmp_path / "plugin")): p.read_text() for p in map(Path, done.out.splitlines())
    }
    assert written == {place: (EXAMPLE / place).read_text() for place in written}
    assert {"pyproject.toml", "README.md", "acme.pkr.hcl", "tests/test_contracts.py"} <= set(written)


def test_a_name_reaches_everything() -> None:
    files = plugin_files("my-cloud")
    assert "src/vmforge_my_cloud/builder.py" in files
    assert "my-cloud.pkr.hcl" in files
    assert "class MyCloudBuilder(" in files["src/vmforge_my_cloud/builder.py"]
    assert 'my-cloud = "vmforge_my_cloud.builder:MyCloudBuilder"' in files["pyproject.toml"]
    assert not [place for place, text in files.items() if "acme" in (place + text).lower()]


@pytest.mark.parametrize("name", ["", "Acme", "a_b", "-a", "a--b", "1a", "../a", "x" * 41])
def test_a_name_that_cannot_be(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vmforge: Run
) -> None:
    monkeypatch.chdir(tmp_path)
    done = vmforge("plugins", "new", "--", name)
    assert done.status == 2
    assert f"`{name}` cannot be the name of a plugin" in done.err
    assert not [*tmp_path.iterdir()]


def test_nothing_is_taken_or_written_over(tmp_path: Path, vmforge: Run) -> None:
    assert "there is a built-in builder `qemu`" in vmforge("plugins", "new", "qemu").err
    (tmp_path / "mine").mkdir()
    done = vmforge("plugins", "new", "acme", "--output", str(tmp_path / "mine"))
    assert (done.status, "is there already" in done.err) == (1, True)
    (tmp_path / "file").write_text("text")
    done = vmforge("plugins", "new", "acme", "--output", str(tmp_path / "file" / "plugin"))
    assert (done.status, "cannot be written" in done.err) == (1, True)
