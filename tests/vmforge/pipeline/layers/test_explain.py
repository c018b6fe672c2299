"""What is said of each step before a build, and how steps are named."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from vmforge.cli.layer_options import wishes
from vmforge.errors import UsageError, VmforgeError
from vmforge.pipeline.layers.chain import Step, link
from vmforge.pipeline.layers.explain import judge
from vmforge.pipeline.layers.lookup import find_step
from vmforge.pipeline.layers.policy import LayerWishes
from vmforge.sdk.layers import LayerPolicy

Golden = Callable[[str, str], None]

STEPS = [
    Step("install", "qemu", {"the ISO": "1", "memory": "1"}),
    Step("provisioner 1 `shell`", "shell", {"inline": "1"}),
    Step("provisioner 2 `file` `keys`", "file", {"keys/a": "1", "keys/b": "1"}),
    Step("provisioner 3 `shell-local`", "shell-local", {}, uncached="it may do something outside the guest"),
    Step("provisioner 4 `shell`", "shell", {"inline": "1"}),
]
NOTED = {step.name: step.inputs for step in STEPS}

CASES: dict[str, tuple[int, Mapping[str, Mapping[str, str]], dict[int, str]]] = {
    "never built": (-1, {}, {}),
    "all kept": (2, NOTED, {}),
    "the ISO is another": (-1, NOTED | {"install": {"the ISO": "0", "memory": "1"}}, {}),
    "an option was set": (-1, NOTED | {"install": {"the ISO": "1"}}, {}),
    "a file of a folder changed": (1, NOTED | {"provisioner 2 `file` `keys`": {"keys/a": "0"}}, {}),
    "a layer was deleted": (0, NOTED, {}),
    "a layer is too old": (0, NOTED, {1: "the `cache_ttl` of provisioner 1 `shell` has passed"}),
    "the last build ended after the installation": (0, {"install": STEPS[0].inputs}, {}),
}


class _Ages(dict[int, str]):
    def __call__(self, index: int) -> str:
        return self.get(index, "")


def test_verdicts(golden: Golden) -> None:
    lines = []
    for title, (begun_after, noted, ages) in CASES.items():
        verdicts = judge(link(STEPS), begun_after, noted.get, _Ages(ages))
        lines += [
            f"{title}:",
            *(f"  {v.step}: {'kept' if v.hit else 'runs'}  {v.why}".rstrip() for v in verdicts),
        ]
    golden("layers/verdicts.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("wanted", "position"),
    [
        ("install", 0),
        ("0", 0),
        ("2", 2),
        ("file", 2),
        ("keys", 2),
        ("provisioner 4 `shell`", 4),
        ("shell-local", 3),
    ],
)
def test_steps_are_found(wanted: str, position: int) -> None:
    assert find_step([step.name for step in STEPS], wanted, "-until") == position


def test_a_name_with_blanks() -> None:
    assert find_step(["install", "provisioner 1 `shell` `the web server`"], "the web server", "-until") == 1


@pytest.mark.parametrize(
    ("wanted", "problem"), [("shell", "names several steps"), ("5", "is none of the steps")]
)
def test_steps_that_are_not_found(wanted: str, problem: str) -> None:
    with pytest.raises(VmforgeError) as failure:
        find_step([step.name for step in STEPS], wanted, "-from-layer")
    assert failure.value.message == f"`-from-layer={wanted}` {problem}"
    assert failure.value.hint.startswith("the steps are 0 (install), 1 (provisioner 1 `shell`), 2 (prov")


def test_wishes() -> None:
    assert wishes("", False, "", "", False) == LayerWishes()
    assert wishes("install", False, "1", "2", True) == LayerWishes(LayerPolicy.INSTALL, False, "1", "2")
    assert wishes("", True, "", "2", False) == LayerWishes(None, True, "", "2")


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (("some", False, "", "", False), "`-layers=some` is none of `all`, `install`, `off`"),
        (("", True, "1", "", False), "`-no-cache` and `-from-layer` contradict each other"),
        (("", True, "", "", True), "`-no-cache` and `-resume` contradict each other"),
        (
            ("off", False, "", "1", False),
            "`-layers=off` leaves nothing to begin from, and nothing to stop at",
        ),
    ],
)
def test_flags_that_contradict_each_other(flags: tuple[str, bool, str, str, bool], problem: str) -> None:
    with pytest.raises(UsageError) as failure:
        wishes(*flags)
    assert failure.value.message == problem
