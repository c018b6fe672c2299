"""What a template comes to: variables with their values, and blocks that are evaluated on demand.

They are compared by identity: most of them hold functions, and comparison would slow every start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vmforge.diagnostics import Diagnostic, SourceRange
from vmforge.sdk.body import Body
from vmforge.sdk.network import Network
from vmforge.sdk.values import Duration, Value

if TYPE_CHECKING:
    from vmforge.template.expressions.scope import Scope


@dataclass(frozen=True, eq=False)
class VariableInputs:
    """What the user says about variables: each `-var` as given (`name=value`), the var files in their
    order, the environment (for `PKR_VAR_name` and `env`). Functions that ask servers ask `network` first;
    `reads` grows by every file that functions read."""

    assignments: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    warn_undeclared: bool = False
    network: Network = field(default_factory=Network)
    reads: set[Path] = field(default_factory=set)


@dataclass(frozen=True, eq=False)
class VariableValue:
    """A declared variable. `value` is UNKNOWN when it was given none; `required` means no default."""

    name: str
    value: Value
    sensitive: bool = False
    description: str = ""
    required: bool = False
    type: str = "any"
    range: SourceRange | None = None


@dataclass(frozen=True, eq=False)
class LocalValue:
    """A local value, computed."""

    name: str
    value: Value
    sensitive: bool = False
    range: SourceRange | None = None


@dataclass(frozen=True, eq=False)
class Evaluated:
    """A block's body with its values. `secrets` are strings in it that must not be shown, beside those
    that `Template.secrets` holds."""

    body: Body
    diagnostics: list[Diagnostic]
    secrets: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class RuntimeScope:
    """What blocks inside `build` can refer to as `source` and `build`. The name is the one that the
    build calls the source by. Without `build` its values are unknown, but for `build.name`."""

    source_name: str
    source_type: str
    build: Mapping[str, str] | None = None


@dataclass(frozen=True, eq=False)
class SourceBlock:
    """A `source` block at the top of a file, used or not."""

    type: str
    label: str
    range: SourceRange


@dataclass(frozen=True, eq=False)
class DataBlock:
    """A `data` block. Its values are unknown until they are handed to `load`."""

    type: str
    name: str
    range: SourceRange
    evaluate: Callable[[], Evaluated]


@dataclass(frozen=True, eq=False)
class SourceUse:
    """A source in a build. `label` is the source block's, `name` what the build calls it. A builder of a
    legacy JSON template goes by its bare name."""

    type: str
    label: str
    name: str
    range: SourceRange
    evaluate: Callable[[], Evaluated]
    bare: bool = False

    @property
    def reference(self) -> str:
        """What `only` and `except` inside the template call it."""
        return self.name if self.bare else f"{self.type}.{self.name}"

    @property
    def title(self) -> str:
        """What users see: `TYPE.NAME`, or the type alone for a builder that has no name of its own."""
        return self.type if self.bare and self.name == self.type else f"{self.type}.{self.name}"


@dataclass(frozen=True, eq=False)
class ProvisionerBlock:
    """A provisioner with what holds for all provisioners; the rest of its body comes from `evaluate`,
    where `override` for the source at hand is merged in. `cache` says whether a layer may stand in for
    running it (None leaves that to the provisioner), `cache_ttl` for how long."""

    type: str
    name: str
    range: SourceRange
    evaluate: Callable[[RuntimeScope], Evaluated]
    only: tuple[str, ...] = ()
    except_: tuple[str, ...] = ()
    pause_before: Duration | None = None
    max_retries: int = 0
    timeout: Duration | None = None
    continue_on_error: bool = False
    cache: bool | None = None
    cache_ttl: Duration | None = None


@dataclass(frozen=True, eq=False)
class PostProcessorBlock:
    """A post-processor; `keep_input_artifact` is None where the template leaves the choice to it."""

    type: str
    name: str
    range: SourceRange
    evaluate: Callable[[RuntimeScope], Evaluated]
    only: tuple[str, ...] = ()
    except_: tuple[str, ...] = ()
    keep_input_artifact: bool | None = None


@dataclass(frozen=True, eq=False)
class BuildBlock:
    """A `build` block. Each of `chains` is a sequence of post-processors that starts from the
    builder's artifact."""

    name: str
    description: str
    range: SourceRange
    sources: tuple[SourceUse, ...] = ()
    provisioners: tuple[ProvisionerBlock, ...] = ()
    error_cleanup: ProvisionerBlock | None = None
    chains: tuple[tuple[PostProcessorBlock, ...], ...] = ()


@dataclass(frozen=True, eq=False)
class RequiredPlugin:
    """An entry of `required_plugins`: the version constraint and the address, as written."""

    name: str
    version: str
    source: str
    range: SourceRange


@dataclass(frozen=True, eq=False)
class LegacyOutline:
    """A legacy JSON template as it is written: nothing in it is rendered. `builders` are names and types."""

    description: str
    required_variables: tuple[str, ...]
    defaults: Mapping[str, str]
    builders: tuple[tuple[str, str], ...]
    provisioners: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Template:
    """A template that has been read. `root` is its folder; `secrets` are all strings of sensitive
    values. `errors` is empty unless the template was loaded to be looked at only. `user_variables` are
    what ``{{ user `x` }}`` reads; only legacy JSON templates have them, and an outline. `scope` is what
    expressions outside `build` can refer to; only templates in HCL2 have it."""

    path: Path
    root: Path
    variables: Mapping[str, VariableValue] = field(default_factory=dict)
    local_values: Mapping[str, LocalValue] = field(default_factory=dict)
    builds: tuple[BuildBlock, ...] = ()
    sources: tuple[SourceBlock, ...] = ()
    data: tuple[DataBlock, ...] = ()
    required_version: str = ""
    required_plugins: tuple[RequiredPlugin, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    errors: tuple[Diagnostic, ...] = ()
    secrets: frozenset[str] = frozenset()
    user_variables: Mapping[str, str] = field(default_factory=dict)
    outline: LegacyOutline | None = None
    scope: Scope | None = None
