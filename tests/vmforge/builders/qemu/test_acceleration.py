"""KVM or emulation, and what the user is told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from vmforge.builders.qemu.acceleration import Speed, choose_speed
from vmforge.builders.qemu.config import QemuConfig
from vmforge.errors import HostError
from vmforge.hypervisor.capabilities import Acceleration
from vmforge.hypervisor.connection import Hypervisor

MakeConfig = Callable[..., QemuConfig]


@dataclass
class FakeHypervisor:
    found: Acceleration = field(default_factory=lambda: Acceleration("tcg", "no vmx"))
    asked: list[tuple[str, str]] = field(default_factory=list)

    def acceleration(self, arch: str = "", emulator: str = "") -> Acceleration:
        self.asked.append((arch, emulator))
        return self.found


def choose(config: QemuConfig, hypervisor: FakeHypervisor) -> Speed:
    return choose_speed(config, cast(Hypervisor, hypervisor))


@pytest.mark.parametrize("options", [{}, {"accelerator": "kvm"}])
def test_kvm_where_there_is_kvm(options: Any, qemu: MakeConfig) -> None:
    assert choose(qemu(**options), FakeHypervisor(Acceleration("kvm"))) == Speed("kvm", 1.0)


def test_emulation_is_told_with_what_it_costs(qemu: MakeConfig) -> None:
    speed = choose(qemu(), FakeHypervisor())
    assert (speed.accelerator, speed.time_scale) == ("tcg", 10.0)
    assert speed.notice == (
        "software emulation (no vmx): the guest runs about 10 times slower; "
        "its time limits are multiplied by 10"
    )


@pytest.mark.parametrize("accelerator", ["tcg", "none"])
def test_emulation_that_is_asked_for_is_not_probed(accelerator: str, qemu: MakeConfig) -> None:
    hypervisor = FakeHypervisor(Acceleration("kvm"))
    assert choose(qemu(accelerator=accelerator), hypervisor).accelerator == "tcg"
    assert hypervisor.asked == []


def test_the_guests_architecture_is_asked_for(qemu: MakeConfig) -> None:
    hypervisor = FakeHypervisor()
    choose(qemu(qemu_binary="/opt/qemu-system-aarch64"), hypervisor)
    assert hypervisor.asked == [("aarch64", "/opt/qemu-system-aarch64")]


def test_kvm_that_is_not_there(qemu: MakeConfig) -> None:
    with pytest.raises(HostError, match="but there is no KVM: no vmx") as caught:
        choose(qemu(accelerator="kvm"), FakeHypervisor())
    assert "`--set accelerator=tcg`" in caught.value.hint


@pytest.mark.parametrize("accelerator", ["xen", "hax", "hvf", "whpx"])
def test_accelerators_of_other_systems(accelerator: str, qemu: MakeConfig) -> None:
    with pytest.raises(HostError, match=f"the accelerator `{accelerator}` is not supported") as caught:
        choose(qemu(accelerator=accelerator), FakeHypervisor())
    assert "`--set accelerator=tcg`" in caught.value.hint
