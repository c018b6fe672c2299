"""Template -> planned builds: every component found, every body decoded and checked.

Nothing here touches the network or a hypervisor; `validate` ends after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from vmforge.diagnostics import Diagnostic, Severity, SourceRange, did_you_mean, has_errors, raise_errors
from vmforge.pipeline.overrides import Override, apply
from vmforge.pipeline.plugins import origin_hint
from vmforge.pipeline.selection import Selection
from vmforge.sdk.body import Body
from vmforge.sdk.builder import Builder
from vmforge.sdk.communicator import Connector
from vmforge.sdk.component import Component
from vmforge.sdk.context import BuildContext
from vmforge.sdk.decoding import check, decode, holds_unknown, placed
from vmforge.sdk.interpolate import BUILD_VALUES, Interpolator, interpolator
from vmforge.sdk.options import Config, options_of, secrets_of, texts_of
from vmforge.sdk.registry import ComponentError, Kind, Registry, load_claim
from vmforge.template import (
    BuildBlock,
    Evaluated,
    PostProcessorBlock,
    ProvisionerBlock,
    RuntimeScope,
    SourceUse,
    Template,
)

DEFAULT_COMMUNICATOR = "ssh"
# Where the communicators are whose options every source may have.
_GENERAL = "vmforge.communicators."


@dataclass(frozen=True)
class PlannedProvisioner:
    """A provisioner of one build: its block, its class, and its options as far as they are known before the
    build runs, None when that is not enough to go by."""

    block: ProvisionerBlock
    component: type[Component[Any]]
    config: Config | None = None


@dataclass(frozen=True)
class PlannedPostProcessor:
    """The same for a post-processor."""

    block: PostProcessorBlock
    component: type[Component[Any]]
    config: Config | None = None


@dataclass(frozen=True)
class PlannedBuild:
    """One build, ready to run. `name` is the source's label, `local_name` what the build calls it."""

    name: str
    local_name: str
    full_name: str
    type: str
    builder: Builder[Any]
    connector: Connector[Any]
    provisioners: tuple[PlannedProvisioner, ...]
    error_cleanup: PlannedProvisioner | None
    chains: tuple[tuple[PlannedPostProcessor, ...], ...]
    interpolator: Interpolator
    secrets: frozenset[str]

    def make(
        self, planned: PlannedProvisioner | PlannedPostProcessor, context: BuildContext
    ) -> Component[Any]:
        """The component with its options decoded again, now that the values of the run are known.
        Raises `DiagnosticError`."""
        scope = RuntimeScope(self.local_name, self.type, dict(context.data))
        engine = self.interpolator.with_build_data(context.data)
        configured = configure(planned.component, planned.block.evaluate, scope, engine)
        context.redact(configured.secrets)
        raise_errors(configured.diagnostics)
        assert configured.config is not None
        return planned.component(configured.config)


@dataclass(frozen=True)
class Plan:
    builds: tuple[PlannedBuild, ...]
    warnings: tuple[Diagnostic, ...] = ()


@dataclass
class Planner:
    """Plans the builds of one template. `strict` makes a component that is not installed an error
    (to build); else it is a warning (to validate)."""

    template: Template
    registry: Registry
    started: datetime
    selection: Selection = field(default_factory=Selection)
    overrides: Sequence[Override] = ()
    strict: bool = True
    diagnostics: list[Diagnostic] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)

    def plan(self) -> Plan:
        """Plan every selected build. Whoever calls must look at `diagnostics`: a plan is whole only
        when they hold no error. `secrets` are to be hidden before they are shown."""
        if self.template.outline is not None:
            self.selection = replace(self.selection, exact=True)
        uses = [(block, use) for block in self.template.builds for use in block.sources]
        chosen = [(b, u) for b, u in uses if self.selection.takes_build(selected_name(b, u))]
        self._warn_of_unmatched(uses, chosen)
        builds = [self._plan_build(block, use) for block, use in chosen]
        self._check_overrides([u for _, u in chosen])
        return Plan(tuple(b for b in builds if b is not None), self.template.warnings)

    def _warn_of_unmatched(
        self, uses: Sequence[tuple[BuildBlock, SourceUse]], chosen: Sequence[tuple[BuildBlock, SourceUse]]
    ) -> None:
        names = [selected_name(block, use) for block, use in uses]
        others = [p.name for b, _ in uses for chain in b.chains for p in chain]
        listed = ", ".join(f"`{name}`" for name in names)
        for pattern in self.selection.unmatched([*names, *others]):
            summary = f"pattern `{pattern}` matches no build"
            self.diagnostics.append(Diagnostic.warning(summary, hint=f"the builds are {listed}"))
        if not chosen:
            hint = f"the template has {listed}" if names else "add a `build` block with `sources = [...]`"
            self.diagnostics.append(Diagnostic.error("no builds to run", hint=hint))

    def _check_overrides(self, uses: Sequence[SourceUse]) -> None:
        names = {name for use in uses for name in _names_of(use)}
        for override in self.overrides:
            if override.source and override.source not in names:
                summary = (
                    f"`--set {override.source}.{override.option}`: there is no source `{override.source}`"
                )
                hint = did_you_mean(override.source, names)
                self.diagnostics.append(Diagnostic.error(summary, hint=hint))

    def _plan_build(self, block: BuildBlock, use: SourceUse) -> PlannedBuild | None:
        component = self._load(Kind.BUILDER, use.type, use.range)
        engine = self._interpolator(use)
        if component is not None:
            configured = self._configure_source(component, use, engine)
        else:  # its expressions are judged all the same
            configured = None
            self.diagnostics += use.evaluate().diagnostics
        provisioners = self._plan_provisioners(block, use, engine)
        chains = self._plan_chains(block, use, engine)
        cleanup = block.error_cleanup
        planned_cleanup = self._plan_provisioner(cleanup, use, engine) if cleanup is not None else None
        if configured is None:
            return None
        builder, connector, secrets = configured
        return PlannedBuild(
            name=use.label,
            local_name=use.name,
            full_name=full_name(block, use),
            type=use.type,
            builder=builder,
            connector=connector,
            provisioners=provisioners,
            error_cleanup=planned_cleanup,
            chains=chains,
            interpolator=engine,
            secrets=frozenset(secrets),
        )

    def _interpolator(self, use: SourceUse) -> Interpolator:
        return interpolator(
            started=self.started,
            template_dir=self.template.root,
            build_name=use.label,
            build_type=use.type,
            variables=self.template.user_variables,
        )

    def _configure_source(
        self, component: type[Component[Any]], use: SourceUse, engine: Interpolator
    ) -> tuple[Builder[Any], Connector[Any], set[str]] | None:
        """The source's builder and communicator, both decoded from its one body."""
        assert issubclass(component, Builder)
        evaluated = use.evaluate()
        self.diagnostics += evaluated.diagnostics
        connectors = self._connectors(evaluated.body) if component.uses_communicator else {}
        options = {**options_of(component.config_type)}
        for known in connectors.values():
            options |= options_of(known.config_type)
        body = apply(self.overrides, evaluated.body, _names_of(use), options)
        presets = component.presets(body, engine)
        self.diagnostics += [placed(problem, body) for problem in presets.problems]
        body = presets.under(body, options.values())
        connectors = self._connectors(body) if component.uses_communicator else {}
        chosen, body = self._choose_connector(body, connectors)
        # every communicator's options are accepted beside the builder's; only the chosen one's must be right
        others = {n for name, c in connectors.items() if name != chosen for n in options_of(c.config_type)}
        wanted = [component.config_type] + ([connectors[chosen].config_type] if chosen in connectors else [])
        others -= {n for config_type in wanted for n in options_of(config_type)}
        decoded = decode(_without(body, others), wanted, engine)
        self.diagnostics += decoded.diagnostics
        self.secrets |= evaluated.secrets
        if len(decoded.configs) < len(wanted):
            return None
        if self.strict:
            self._report_unknown(decoded.unknown, body)
        secrets = {*evaluated.secrets, *presets.secrets}
        public: set[str] = set()
        for part in [component, *([connectors[chosen]] if chosen in connectors else [])]:
            config = decoded.get(part.config_type)
            self.diagnostics += check(part, config, body, decoded.unknown)
            secrets |= set(secrets_of(config))
            public |= set(texts_of(config))
        connector = connectors.get(chosen) or self.registry.load(Kind.COMMUNICATOR, "none")
        assert issubclass(connector, Connector)
        config = decoded.configs.get(connector.config_type) or connector.config_type()
        # a password that is also the user's name (`vagrant`) hides nothing, and would hide every path
        self.secrets |= secrets - public
        return component(decoded.get(component.config_type)), connector(config), secrets - public

    def _report_unknown(self, options: set[str], body: Body) -> None:
        """What a build says must be known when it starts, all of a source and what else only data tell."""
        for name in sorted(options):
            setting = body.settings.get(name)
            self.diagnostics.append(
                Diagnostic.error(
                    f"the value of `{name}` is not known before the build runs",
                    range=setting.range if setting is not None else body.range,
                    hint="it uses a data source that is not installed or, in a source, `build.*`",
                )
            )

    def _connectors(self, body: Body) -> dict[str, type[Component[Any]]]:
        """The communicators whose options a source may have: those for guests of any builder, and the one
        that it names; a platform's own, or a plugin's, is not loaded for others."""
        claims = self.registry.claims(Kind.COMMUNICATOR)
        general = [c for c in claims if c.built_in and c.entry.module.startswith(_GENERAL)]
        connectors = {claim.name: load_claim(claim) for claim in general}
        name, range = _communicator_of(body)
        if self.registry.has(Kind.COMMUNICATOR, name):
            found = self._load(Kind.COMMUNICATOR, name, range)
            connectors |= {name: found} if found is not None else {}
        return connectors

    def _choose_connector(
        self, body: Body, connectors: Mapping[str, type[Component[Any]]]
    ) -> tuple[str, Body]:
        if not connectors:
            return "", body
        name, range = _communicator_of(body)
        if not self.registry.has(Kind.COMMUNICATOR, name):
            known = self.registry.names(Kind.COMMUNICATOR)
            hint = did_you_mean(name, known) or "known are " + ", ".join(f"`{other}`" for other in known)
            self.diagnostics.append(
                Diagnostic.error(f"there is no communicator `{name}`", range=range, hint=hint)
            )
        return name, _without(body, {"communicator"})

    def _plan_provisioners(
        self, block: BuildBlock, use: SourceUse, engine: Interpolator
    ) -> tuple[PlannedProvisioner, ...]:
        wanted = [p for p in block.provisioners if _applies(p.only, p.except_, use)]
        planned = [self._plan_provisioner(provisioner, use, engine) for provisioner in wanted]
        return tuple(p for p in planned if p is not None)

    def _plan_provisioner(
        self, block: ProvisionerBlock, use: SourceUse, engine: Interpolator
    ) -> PlannedProvisioner | None:
        component = self._load(Kind.PROVISIONER, block.type, block.range)
        if component is None:
            return None
        config = self._check_body(component, block.evaluate, use, engine)
        return PlannedProvisioner(block, component, config)

    def _plan_chains(
        self, block: BuildBlock, use: SourceUse, engine: Interpolator
    ) -> tuple[tuple[PlannedPostProcessor, ...], ...]:
        chains = []
        for chain in block.chains:
            planned = []
            for post_processor in chain:
                if not self.selection.takes_post_processor(post_processor.name):
                    break
                if not _applies(post_processor.only, post_processor.except_, use):
                    continue
                component = self._load(Kind.POST_PROCESSOR, post_processor.type, post_processor.range)
                if component is not None:
                    config = self._check_body(component, post_processor.evaluate, use, engine)
                    planned.append(PlannedPostProcessor(post_processor, component, config))
            chains.append(tuple(planned))
        return tuple(chain for chain in chains if chain)

    def _check_body(
        self,
        component: type[Component[Any]],
        evaluate: Callable[[RuntimeScope], Evaluated],
        use: SourceUse,
        engine: Interpolator,
    ) -> Config | None:
        scope = RuntimeScope(use.name, use.type, None)
        configured = configure(component, evaluate, scope, engine)
        self.secrets |= configured.secrets
        self.diagnostics += configured.diagnostics
        if self.strict and self.template.data:
            # with all that a running build tells, what is still unknown are data sources
            running = RuntimeScope(use.name, use.type, dict.fromkeys(BUILD_VALUES, ""))
            evaluated = evaluate(running)
            if not evaluated.diagnostics:  # the builder may tell more than all builders do
                settings = evaluated.body.settings.items()
                unknown = {name for name, setting in settings if holds_unknown(setting.value)}
                self._report_unknown(unknown, evaluated.body)
        return configured.config

    def _load(self, kind: Kind, name: str, range: SourceRange | None) -> type[Component[Any]] | None:
        try:
            return self.registry.load(kind, name)
        except ComponentError as error:
            if not any(found.summary == error.message for found in self.diagnostics):
                known = self.registry.has(kind, name)  # and cannot be used
                severity = Severity.ERROR if self.strict or known else Severity.WARNING
                origin = "" if known else origin_hint(kind, name, self.template.required_plugins)
                self.diagnostics.append(
                    Diagnostic(severity, error.message, range=range, hint=origin or error.hint)
                )
            return None


def _communicator_of(body: Body) -> tuple[str, SourceRange | None]:
    setting = body.settings.get("communicator")
    if setting is None or setting.value is None:
        return DEFAULT_COMMUNICATOR, body.range
    return str(setting.value), setting.range


@dataclass(frozen=True)
class Configured:
    """A component's block, evaluated and decoded. `config` is None when `diagnostics` hold an error."""

    config: Config | None
    diagnostics: list[Diagnostic]
    secrets: frozenset[str]


def configure(
    component: type[Component[Any]],
    evaluate: Callable[[RuntimeScope], Evaluated],
    scope: RuntimeScope,
    engine: Interpolator,
) -> Configured:
    """Evaluate and decode one component's block. Done twice for what uses `build.*`: when planned,
    with the values of the run unknown, and when it runs."""
    evaluated = evaluate(scope)
    decoded = decode(evaluated.body, [component.config_type], engine)
    diagnostics = [*evaluated.diagnostics, *decoded.diagnostics]
    config = decoded.configs.get(component.config_type)
    secrets = evaluated.secrets
    if config is not None:
        diagnostics += check(component, config, evaluated.body, decoded.unknown)
        secrets |= frozenset(secrets_of(config))
    return Configured(None if has_errors(diagnostics) else config, diagnostics, secrets)


def full_name(block: BuildBlock, use: SourceUse) -> str:
    """A build's name as users see it: `[BUILD.]TYPE.NAME`."""
    return f"{block.name}.{use.title}" if block.name else use.title


def selected_name(block: BuildBlock, use: SourceUse) -> str:
    """A build's name as users select it: as they see it, or a legacy JSON builder's bare name."""
    return use.name if use.bare else full_name(block, use)


def _names_of(use: SourceUse) -> tuple[str, ...]:
    return (use.name, use.label, f"{use.type}.{use.name}", f"{use.type}.{use.label}", use.type)


def _applies(only: Sequence[str], except_: Sequence[str], use: SourceUse) -> bool:
    return use.reference in only if only else use.reference not in except_


def _without(body: Body, names: set[str]) -> Body:
    kept = {name: setting for name, setting in body.settings.items() if name not in names}
    blocks = tuple(block for block in body.blocks if block.type not in names)
    return Body(kept, blocks, body.range)
