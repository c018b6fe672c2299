"""Reads `source` and `build` blocks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vmforge.diagnostics import Diagnostic, SourceRange, did_you_mean
from vmforge.sdk.body import Body
from vmforge.sdk.values import UNKNOWN
from vmforge.template.arguments import ArgumentReader, check_labels, check_names
from vmforge.template.blocks import BoundBlock, ExpressionPlace, evaluate_body, expand, value_or_unknown
from vmforge.template.expressions.scope import Namespace, Scope
from vmforge.template.expressions.values import Value, describe, entries, to_plain
from vmforge.template.model import (
    BuildBlock,
    Evaluated,
    PostProcessorBlock,
    ProvisionerBlock,
    RuntimeScope,
    SourceBlock,
    SourceUse,
)

_BUILD_BLOCKS: Final = (
    "source",
    "provisioner",
    "error-cleanup-provisioner",
    "post-processor",
    "post-processors",
    "hcp_packer_registry",
)
_PROVISIONER_ARGUMENTS: Final = (
    "name",
    "only",
    "except",
    "pause_before",
    "max_retries",
    "timeout",
    "override",
    "continue_on_error",
    "cache",
    "cache_ttl",
)
_POST_PROCESSOR_ARGUMENTS: Final = ("name", "only", "except", "keep_input_artifact")


class _BuildValues(Namespace):
    """`build` in expressions: what is known of the running build; before it runs, only `always`."""

    def __init__(self, always: Mapping[str, str], values: Mapping[str, str] | None) -> None:
        self._running = values is not None
        self._values: dict[str, Value] = {**(values or {}), **always}

    def names(self) -> Collection[str]:
        return self._values.keys()

    def has(self, name: str) -> bool:
        return not self._running or name in self._values

    def get(self, name: str) -> Value:
        return self._values.get(name, UNKNOWN)


def evaluated(body: Body, diagnostics: list[Diagnostic], scope: Scope, before: Collection[str]) -> Evaluated:
    """An evaluated body, with the secrets that came up since `before`."""
    return Evaluated(body, diagnostics, frozenset(scope.context.secrets - set(before)))


@dataclass(frozen=True)
class Sources:
    """The `source` blocks of a template, by type and label."""

    blocks: dict[tuple[str, str], BoundBlock]
    diagnostics: list[Diagnostic]

    def declare(self, block: BoundBlock) -> None:
        if not check_labels(block, ("TYPE", "NAME"), self.diagnostics):
            return
        key = (block.labels[0], block.labels[1])
        known = self.blocks.setdefault(key, block)
        if known is not block:
            summary = f"source `{'.'.join(key)}` is declared twice"
            hint = f"it is first declared at {known.node.range}"
            self.diagnostics.append(Diagnostic.error(summary, range=block.node.range, hint=hint))

    def public(self) -> tuple[SourceBlock, ...]:
        return tuple(SourceBlock(*key, block.node.range) for key, block in self.blocks.items())

    def find(self, reference: str, place: SourceRange) -> tuple[str, str] | None:
        """The source that `TYPE.NAME` or `source.TYPE.NAME` means; None when there is none."""
        parts = reference.split(".")
        if len(parts) == 3 and parts[0] in ("source", "sources"):
            parts = parts[1:]
        if len(parts) != 2:
            hint = 'write `"source.TYPE.NAME"`'
            summary = f"`{reference}` does not name a source"
            self.diagnostics.append(Diagnostic.error(summary, range=place, hint=hint))
            return None
        key = (parts[0], parts[1])
        if key not in self.blocks:
            names = [".".join(known) for known in self.blocks]
            hint = (
                did_you_mean(".".join(key), names) or f'declare it: `source "{key[0]}" "{key[1]}" {{ ... }}`'
            )
            summary = f"there is no source `{'.'.join(key)}`"
            self.diagnostics.append(Diagnostic.error(summary, range=place, hint=hint))
        return key


class BuildReader:
    """Reads one `build` block."""

    def __init__(
        self, block: BoundBlock, sources: Sources, diagnostics: list[Diagnostic], run_uuid: str
    ) -> None:
        self._block = block
        self._always = {"PackerRunUUID": run_uuid} if run_uuid else {}
        self._sources = sources
        self._diagnostics = diagnostics

    def read(self) -> BuildBlock:
        block = self._block
        known = ("name", "description", "sources")
        shape = block.body
        check_names(shape, "a build", self._diagnostics, arguments=known, blocks=(*_BUILD_BLOCKS, "dynamic"))
        reader = ArgumentReader(block.body, block.scope, self._diagnostics)
        name = self._always["name"] = reader.text("name")
        uses = self._listed_sources(reader)
        parts: dict[str, list[Any]] = {"provisioners": [], "cleanups": [], "chains": []}
        for inner in expand(block.body, block.scope, self._diagnostics):
            self._read_block(inner, uses, parts)
        if len(parts["cleanups"]) > 1:
            summary = "a build can have one `error-cleanup-provisioner`"
            self._diagnostics.append(Diagnostic.error(summary, range=parts["cleanups"][1].range))
        return BuildBlock(
            name,
            reader.text("description"),
            block.node.range,
            tuple(uses),
            tuple(parts["provisioners"]),
            parts["cleanups"][0] if parts["cleanups"] else None,
            tuple(parts["chains"]),
        )

    def _read_block(self, block: BoundBlock, uses: list[SourceUse], parts: dict[str, list[Any]]) -> None:
        if block.type == "source":
            uses += self._inline_source(block)
        elif block.type == "provisioner":
            parts["provisioners"] += self._provisioner(block)
        elif block.type == "error-cleanup-provisioner":
            parts["cleanups"] += self._provisioner(block)
        elif block.type == "post-processor":
            parts["chains"] += [(one,) for one in self._post_processor(block)]
        elif block.type == "post-processors":
            parts["chains"] += [self._chain(block)]
        elif block.type == "hcp_packer_registry":
            summary = "`hcp_packer_registry` has no effect: nothing is sent to HCP"
            self._diagnostics.append(Diagnostic.warning(summary, range=block.node.range))

    # sources

    def _listed_sources(self, reader: ArgumentReader) -> list[SourceUse]:
        uses = []
        for reference, place in reader.texts_with_ranges("sources"):
            key = self._sources.find(reference, place)
            if key is not None:
                uses.append(self._use(key, key[1], place, None))
        return uses

    def _inline_source(self, block: BoundBlock) -> list[SourceUse]:
        if not check_labels(block, ("TYPE.NAME",), self._diagnostics):
            return []
        key = self._sources.find(block.labels[0], block.node.range)
        if key is None:
            return []
        reader = ArgumentReader(block.body, block.scope, self._diagnostics)
        return [self._use(key, reader.text("name", key[1]), block.node.range, block)]

    def _use(
        self, key: tuple[str, str], name: str, place: SourceRange, additions: BoundBlock | None
    ) -> SourceUse:
        def evaluate() -> Evaluated:
            return self._evaluate_source(key, name, place, additions)

        return SourceUse(key[0], key[1], name, place, evaluate)

    def _evaluate_source(
        self, key: tuple[str, str], name: str, place: SourceRange, additions: BoundBlock | None
    ) -> Evaluated:
        block = self._sources.blocks.get(key)
        diagnostics: list[Diagnostic] = []
        if block is None:
            summary = f"there is no source `{'.'.join(key)}`"
            return Evaluated(Body(range=place), [Diagnostic.error(summary, range=place)])
        before = set(block.scope.context.secrets)
        names: dict[str, Value] = {"source": {"name": name, "type": key[0]}}
        body = evaluate_body(block.within(names), diagnostics)
        if additions is not None:
            added = evaluate_body(additions.within(names), diagnostics, ("name",))
            body = self._merged(body, added, diagnostics)
        return evaluated(body, diagnostics, block.scope, before)

    def _merged(self, body: Body, additions: Body, diagnostics: list[Diagnostic]) -> Body:
        for name in body.settings.keys() & additions.settings.keys():
            place, other = additions.settings[name].name_range, body.settings[name].name_range
            hint = f"it is set at {other}; leave it out there or here"
            diagnostics.append(
                Diagnostic.error(f"`{name}` is set twice for this source", range=place, hint=hint)
            )
        settings = {**body.settings, **additions.settings}
        return Body(settings, (*body.blocks, *additions.blocks), body.range)

    # provisioners and post-processors

    def _provisioner(self, block: BoundBlock) -> list[ProvisionerBlock]:
        if not check_labels(block, ("TYPE",), self._diagnostics):
            return []
        reader = ArgumentReader(block.body, block.scope, self._diagnostics)
        only, except_ = reader.only_and_except()

        def evaluate(runtime: RuntimeScope) -> Evaluated:
            return self._evaluate(block, runtime, _PROVISIONER_ARGUMENTS)

        provisioner = ProvisionerBlock(
            block.labels[0],
            reader.text("name"),
            block.node.range,
            evaluate,
            only,
            except_,
            reader.duration("pause_before"),
            reader.count("max_retries"),
            reader.duration("timeout"),
            bool(reader.flag("continue_on_error")),
            reader.flag("cache"),
            reader.duration("cache_ttl"),
        )
        return [provisioner]

    def _post_processor(self, block: BoundBlock) -> list[PostProcessorBlock]:
        if not check_labels(block, ("TYPE",), self._diagnostics):
            return []
        reader = ArgumentReader(block.body, block.scope, self._diagnostics)
        only, except_ = reader.only_and_except()
        keep = reader.flag("keep_input_artifact")
        name = reader.text("name") or block.labels[0]

        def evaluate(runtime: RuntimeScope) -> Evaluated:
            return self._evaluate(block, runtime, _POST_PROCESSOR_ARGUMENTS)

        return [PostProcessorBlock(block.labels[0], name, block.node.range, evaluate, only, except_, keep)]

    def _chain(self, block: BoundBlock) -> tuple[PostProcessorBlock, ...]:
        what = "`post-processors`"
        check_names(block.body, what, self._diagnostics, blocks=("post-processor", "dynamic"))
        inner = expand(block.body, block.scope, self._diagnostics)
        return tuple(p for one in inner if one.type == "post-processor" for p in self._post_processor(one))

    def _evaluate(self, block: BoundBlock, runtime: RuntimeScope, leave_out: Collection[str]) -> Evaluated:
        source: Value = {"name": runtime.source_name, "type": runtime.source_type}
        bound = block.within({"source": source, "build": _BuildValues(self._always, runtime.build)})
        diagnostics: list[Diagnostic] = []
        before = set(block.scope.context.secrets)
        body = evaluate_body(bound, diagnostics, leave_out)
        if "override" in leave_out and "override" in block.body.arguments:
            body = self._overridden(body, bound, runtime, diagnostics)
        return evaluated(body, diagnostics, block.scope, before)

    def _overridden(
        self, body: Body, block: BoundBlock, runtime: RuntimeScope, diagnostics: list[Diagnostic]
    ) -> Body:
        """The body with what `override` sets for the source at hand."""
        argument = block.body.arguments["override"]
        value = value_or_unknown(argument.expression, block.scope, diagnostics)
        by_source = entries(value)
        if by_source is None:
            if value is not None and value is not UNKNOWN:
                summary = f"`override` needs an object by name of source, not {describe(value)}"
                diagnostics.append(Diagnostic.error(summary, range=argument.expression.range))
            return body
        chosen = entries(by_source.get(runtime.source_name)) or {}
        whole = ExpressionPlace(argument.expression)
        place = whole.inside(runtime.source_name) or whole
        overrides = Body.at({name: to_plain(item) for name, item in chosen.items()}, place)
        return Body({**body.settings, **overrides.settings}, body.blocks, body.range)
