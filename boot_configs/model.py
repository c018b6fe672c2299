"""A system's boot config: one `systems/NAME.toml` over the `family.toml` of its family.

A system's file holds only what differs from its family's. Tables are merged, other values replaced. All keys:

    family = "debian"              systems only: the folder below families/
    name = "debian-12"             not written: the file's name
    title = "Debian 12 (bookworm)"
    version = "12"
    codename = "bookworm"          optional
    aliases = ["debian-bookworm"]  optional: other names of this system
    guest_os = "debian12"          optional: as libosinfo names it

    [values]                       free: whatever the templates need, as `v.NAME`

    [parameters.NAME]              `[parameters.user]` alone: the family knows that shared parameter
    default = ...                  may be a template; other keys: help, choices, type (parameters.py)
    supported = false              a system that lacks what its family has

    [[answer_files]]
    template = "preseed.cfg.j2"    in the family's folder, which may include what is in others (`debian/x.j2`)
    path = "/preseed.cfg"          where it is served; on a disc or floppy the same without the slash
    kind = "preseed"               whose format it is: who checks it (vmforge/builders/answer_checks)
    dialect = "<%= v.dialect %>"   optional: its format's version, as the format's validator names it
    optional = true                left out when it renders to nothing
    delivery = "http"              only for a file that goes one way whatever the parameter `delivery` says

    [media]
    label = "CIDATA"               of the disc or floppy

    [boot]
    bios = ["..."]                 what is typed with a BIOS; each a template
    uefi = ["..."]                 and with UEFI
    unlock = "..."                 what is typed when the installed system asks for its passphrase

    [kernel]                       left out: the installer's kernel cannot be booted by itself
    cmdline = "..."                a template; in boot commands it is `<%= cmdline %>`
    path = "", initrd = ""         only where vmforge/media/iso_kernels.py does not find them

    [options]                      any option of the source, as a template of vmforge would set it:
    memory = 1024                  strings are templates; what renders to "" is left out
    communicator = "ssh"
    ssh_username = "<%= p.user %>"
    shutdown_command = "sudo -n shutdown -P now"

    [iso]                          how to tell the system's ISO
    volume_id = ['^Debian 12\\.']  regular expressions, searched; any may match
    info = ['Debian GNU/Linux 12'] the same, for what `.disk/info`, `.treeinfo`, `media.1/products` ... say
    page = "https://..."           where to get it
    file = "debian-12.*-amd64-netinst.iso"   what it is called there

Templates know: `p` (the parameters), `v` (values), `name`, `title`, `version`, `codename`, `family`,
`delivery` ("http", "cd", "floppy"), `firmware` ("bios", "uefi"), and `url`, where answer files are served
(`http://{{ .HTTPIP }}:{{ .HTTPPort }}`). `{{ .SSHPublicKey }}` and `{{ .PackageProxy }}` are empty in some
builds; `{{ if .PackageProxy }}...{{ end }}` can tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

from boot_configs.parameters import Parameter, ParameterProblem, ParameterProblems, decode
from boot_configs.password_hashes import new_salt, sha512_crypt
from boot_configs.rendering import Delivery, Firmware, KernelBoot, Rendered, RenderedFile, Renderer

_URL = "http://{{ .HTTPIP }}:{{ .HTTPPort }}"

# In place of a hash, whose salt is another each time, where the texts of two builds are compared.
_STAND_IN_HASH = "$6$$"


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """A template of an answer file, and where its text goes."""

    template: str
    path: str
    kind: str
    dialect: str = ""
    optional: bool = False
    delivery: Delivery | None = None


@dataclass(frozen=True, slots=True)
class IsoSigns:
    """How to tell the system's ISO, and where to get it; patterns are regular expressions to search for."""

    volume_id: tuple[str, ...] = ()
    info: tuple[str, ...] = ()
    page: str = ""
    file: str = ""


@dataclass(frozen=True)
class BootConfig:
    """How one system is installed; the module's docstring says what the fields hold."""

    name: str
    family: str
    title: str
    version: str
    codename: str
    aliases: tuple[str, ...]
    guest_os: str
    parameters: Mapping[str, Parameter]
    answer_files: tuple[AnswerFile, ...]
    boot: Mapping[Firmware, tuple[str, ...]]
    iso: IsoSigns
    values: Mapping[str, object] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)
    label: str = ""
    unlock: str = ""
    kernel: KernelBoot | None = None
    folders: tuple[Path, ...] = ()

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """The ways that answer files can take, the usual one first."""
        parameter = self.parameters.get("delivery")
        return tuple(map(Delivery, parameter.choices)) if parameter else (Delivery.HTTP,)

    def defaults(self) -> dict[str, object]:
        """What each parameter is when it is left out, as a user would write it; None is nothing."""
        return {name: known.default for name, known in self._defaulted().items()}

    def check(self, params: Mapping[str, object]) -> list[ParameterProblem]:
        """All that is wrong with the parameters that a user gave."""
        return self._decode(params)[1]

    def render(
        self,
        params: Mapping[str, object],
        *,
        firmware: Firmware = Firmware.BIOS,
        salt: str | None = None,
    ) -> Rendered:
        """All texts for a machine with this firmware. Raises `ParameterProblems`.

        A password's hash has a new salt each time, or the one that is given; with an empty one there is a
        stand-in for the hash, so that equal parameters make equal texts.
        """
        values, problems = self._decode(params)
        if problems:
            raise ParameterProblems(problems)
        secrets = frozenset(
            str(values[name]) for name, known in self.parameters.items() if known.secret and values[name]
        )
        self._hash_password(values, salt)
        delivery = Delivery(str(values.get("delivery") or self.deliveries[0]))
        renderer = Renderer(self.folders, self._names(values, delivery, firmware))
        kernel = self._kernel(renderer)
        cmdline = kernel.cmdline if kernel else ""
        options = {name: renderer.value(value) for name, value in self.options.items()}
        return Rendered(
            answer_files=self._files(renderer, delivery),
            delivery=delivery,
            label=self.label,
            boot_command={
                mode: tuple(renderer.text(part, cmdline=cmdline, firmware=mode.value) for part in parts)
                for mode, parts in self.boot.items()
            },
            kernel=kernel,
            unlock=renderer.text(self.unlock),
            options={name: value for name, value in options.items() if value != ""},
            secrets=secrets,
        )

    def _decode(self, params: Mapping[str, object]) -> tuple[dict[str, object], list[ParameterProblem]]:
        values, problems = decode(self._defaulted(), params, self.title)
        if values.get("password") and values.get("password_hash"):
            problems.append(
                ParameterProblem(
                    "password_hash",
                    "`boot_params`: `password` and `password_hash` are both given",
                    "keep one of them",
                )
            )
        wants_password = values.get("root") == "password" or values.get("sudo") == "password"
        if wants_password and not (values.get("password") or values.get("password_hash")):
            name = "root" if values.get("root") == "password" else "sudo"
            problems.append(
                ParameterProblem(
                    name,
                    f"`boot_params`: `{name}` asks for a password, and there is none",
                    "give `password` or `password_hash`",
                )
            )
        return values, problems

    def _defaulted(self) -> dict[str, Parameter]:
        """The parameters, those of their defaults rendered that are templates."""
        renderer = Renderer((), self._about())
        return {
            name: Parameter(known.name, known.type, known.help, renderer.value(known.default), known.choices)
            for name, known in self.parameters.items()
        }

    def _hash_password(self, values: dict[str, object], salt: str | None) -> None:
        if not values.get("password") or "password_hash" not in values:
            return
        salt = new_salt() if salt is None else salt
        values["password_hash"] = sha512_crypt(str(values["password"]), salt) if salt else _STAND_IN_HASH

    def _about(self) -> dict[str, object]:
        return {
            "name": self.name,
            "title": self.title,
            "version": self.version,
            "codename": self.codename,
            "family": self.family,
            "v": SimpleNamespace(**self.values),
        }

    def _names(
        self, values: Mapping[str, object], delivery: Delivery, firmware: Firmware
    ) -> dict[str, object]:
        return {
            **self._about(),
            "p": SimpleNamespace(**values),
            "delivery": delivery.value,
            "firmware": firmware.value,
            "url": _URL,
        }

    def _kernel(self, renderer: Renderer) -> KernelBoot | None:
        if self.kernel is None:
            return None
        cmdline = " ".join(renderer.text(self.kernel.cmdline).split())
        return KernelBoot(cmdline, self.kernel.kernel, self.kernel.initrd)

    def _files(self, renderer: Renderer, delivery: Delivery) -> tuple[RenderedFile, ...]:
        rendered = [self._file(file, renderer, file.delivery or delivery) for file in self.answer_files]
        pairs = zip(self.answer_files, rendered, strict=True)
        return tuple(made for file, made in pairs if made.text.strip() or not file.optional)

    def _file(self, file: AnswerFile, renderer: Renderer, delivery: Delivery) -> RenderedFile:
        path = file.path if delivery is Delivery.HTTP else file.path.lstrip("/")
        dialect = renderer.text(file.dialect)
        return RenderedFile(path, renderer.file(file.template), file.kind, delivery, dialect)
