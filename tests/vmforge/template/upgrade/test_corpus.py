"""Real templates mean the same after the upgrade: every string rendered, and every component decoded."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from vmforge.diagnostics import Severity
from vmforge.pipeline.plan import Planner
from vmforge.sdk.body import Body
from vmforge.sdk.gotemplate import fields_of
from vmforge.sdk.interpolate import BUILD_VALUES, Interpolator, interpolator
from vmforge.sdk.options import Config
from vmforge.sdk.registry import Registry
from vmforge.template import BuildBlock, RuntimeScope, Template, VariableInputs, load
from vmforge.template.hcl import SourceText, parse_file
from vmforge.template.hcl.formatter import format_text
from vmforge.template.upgrade import upgrade

BUILD = {name: f"<build.{name}>" for name in BUILD_VALUES}


class Environment(dict[str, str]):
    """An environment in which every variable has a value that names it."""

    def get(self, name: str, default: Any = None) -> Any:
        return default if name.startswith("PKR_VAR_") else f"<env {name}>"


@dataclass(frozen=True)
class Meaning:
    """Renders a template's strings with stand-ins for all that only a run knows."""

    template: Template
    started: datetime

    def variables(self) -> dict[str, tuple[Any, bool]]:
        values: dict[str, tuple[Any, bool]] = {}
        for name, variable in self.template.variables.items():
            local = self.template.local_values.get(name)
            sensitive = variable.sensitive and (local is None or local.sensitive)
            value = rendered(local.value if local else variable.value, interpolator())
            values[name] = (value, sensitive)
        return values

    def builds(self) -> Iterator[Any]:
        for build in self.template.builds:
            yield build.description
            for source in build.sources:
                engine = self.engine(source.label, source.type)
                yield source.type, source.name, body(source.evaluate().body, engine)
                scope = RuntimeScope(source.name, source.type, BUILD)
                yield [self.provisioner(block, scope, engine) for block in provisioners(build)]
                for chain in build.chains:
                    yield [self.post_processor(block, scope, engine) for block in chain]

    def engine(self, name: str, type_: str) -> Interpolator:
        return interpolator(
            started=self.started,
            template_dir=self.template.root,
            build_name=name,
            build_type=type_,
            variables=self.template.user_variables,
            build=BUILD,
        )

    def provisioner(self, block: Any, scope: RuntimeScope, engine: Interpolator) -> Any:
        runs = scope.source_name in self.bare(block.only) if block.only else None
        skips = scope.source_name in self.bare(block.except_)
        meta = (block.type, runs, skips, block.pause_before, block.max_retries, block.timeout)
        return meta, body(block.evaluate(scope).body, engine)

    def post_processor(self, block: Any, scope: RuntimeScope, engine: Interpolator) -> Any:
        runs = scope.source_name in self.bare(block.only) if block.only else None
        skips = scope.source_name in self.bare(block.except_)
        meta = (block.type, block.name, runs, skips, block.keep_input_artifact)
        return meta, body(block.evaluate(scope).body, engine)

    def bare(self, names: tuple[str, ...]) -> list[str]:
        """The names of `only` without the type that they have in HCL."""
        legacy = self.template.outline is not None
        return [name if legacy else name.partition(".")[2] for name in names]


def provisioners(build: BuildBlock) -> list[Any]:
    return [*build.provisioners, *([build.error_cleanup] if build.error_cleanup else [])]


def body(found: Body, engine: Interpolator) -> dict[str, Any]:
    """The options with their strings rendered; blocks as the lists of objects that JSON has for them."""
    options = {name: rendered(setting.value, engine) for name, setting in found.settings.items()}
    for block in found.blocks:
        options.setdefault(block.type, []).append(body(block.body, engine))
    return options


def rendered(value: Any, engine: Interpolator) -> Any:
    if isinstance(value, str):
        return text(value, engine)
    if isinstance(value, Mapping):
        return {name: plain(item, engine) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, engine) for item in value]
    return Fraction(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else value


def text(value: str, engine: Interpolator) -> str:
    try:
        value = engine.fill_in(value)
        fields: dict[str, object] = {name: f"<.{name}>" for name in fields_of(value, engine.functions)}
        return engine.with_fields(fields).render(value)
    except ValueError as error:
        return f"error: {str(error).partition(':')[0]}"


def same(json_value: Any, hcl_value: Any) -> bool:
    """Whether two options say the same: a single object or value is a list of one."""
    if json_value == hcl_value:
        return True
    if isinstance(json_value, dict) and isinstance(hcl_value, dict):
        keys = {name for name in json_value.keys() | hcl_value.keys() if not name.startswith("_")}
        return all(n in json_value and n in hcl_value and same(json_value[n], hcl_value[n]) for n in keys)
    if isinstance(hcl_value, list) and not isinstance(json_value, list):
        json_value = [json_value]
    if isinstance(json_value, list | tuple) and isinstance(hcl_value, list | tuple):
        return len(json_value) == len(hcl_value) and all(map(same, json_value, hcl_value))
    return False


def plan(template: Template, started: datetime) -> Any:
    """What the components' options come to, and what is wrong with them."""
    planner = Planner(template, Registry(), started, strict=False)
    builds = planner.plan().builds
    configs = []
    for build in builds:
        components = (build.builder, build.connector)
        configs.append((build.type, *(options(c.config, build.interpolator) for c in components)))
    kinds = [[(p.component, p.block.type) for p in b.provisioners] for b in builds]
    chains = [[[p.component for p in chain] for chain in b.chains] for b in builds]
    errors = {d.summary for d in planner.diagnostics if d.severity is Severity.ERROR}
    return configs, kinds, chains, errors


def options(config: Config, engine: Interpolator) -> dict[str, Any]:
    """A configuration's values; what the component renders only when it runs is rendered here."""
    return {f.name: plain(getattr(config, f.name), engine) for f in dataclasses.fields(config)}


def plain(value: Any, engine: Interpolator) -> Any:
    if isinstance(value, Config):
        return options(value, engine)
    known = isinstance(value, str | Mapping | list | tuple | int | Decimal)
    return rendered(value, engine) if known else value


def upgraded(path: Path, **flags: Any) -> Path:
    result = upgrade(path, Registry(), **flags)
    target = path.with_name(path.name + ".upgraded.pkr.hcl")
    target.write_text(result.text, encoding="utf-8")
    return target


def differences(path: Path, started: datetime) -> list[str]:
    """What the upgraded template says differently."""
    target = upgraded(path)
    content = target.read_text(encoding="utf-8")
    _, findings = parse_file(SourceText(str(target), content))
    if findings:
        return [f"does not parse: {findings[0].summary}"]
    if format_text(content) != content:
        return ["is not formatted"]
    bare = load(target, VariableInputs(), started=started, tolerant=True)
    required = tuple(f"{n}={n}" for n, v in bare.variables.items() if v.required)
    inputs = VariableInputs(required, (), Environment())
    before = load(path, inputs, started=started, tolerant=True)
    after = load(target, inputs, started=started, tolerant=True)
    first, second = Meaning(before, started), Meaning(after, started)
    found = []
    if [e.summary for e in before.errors] != [e.summary for e in after.errors]:
        found.append(f"errors: {[e.summary for e in before.errors]} {[e.summary for e in after.errors]}")
    ours, theirs = first.variables(), second.variables()
    found += [f"variable {n}: {ours[n]} {theirs.get(n)}" for n in ours if ours[n] != theirs.get(n)]
    parts = [*first.builds()], [*second.builds()]
    found += [f"{a}\n   {b}" for a, b in zip(*parts, strict=True) if not same(a, b)]
    plans = plan(before, started), plan(after, started)
    if not found:
        found += [f"plan: {a} {b}" for a, b in zip(*plans, strict=True) if a != b]
    return found


@pytest.mark.parametrize("step", [8, pytest.param(1, marks=pytest.mark.slow)])
def test_real_templates_mean_the_same(step: int, corpus: Path, corpus_templates: Path, started: Any) -> None:
    rows = map(json.loads, (corpus / "packer-1.6.6-inspect.jsonl").read_text(encoding="utf-8").splitlines())
    paths = [row["path"] for row in rows if row["kind"] == "json"]
    assert len(paths) == 166
    chosen = paths[::step]
    different = {path: found for path in chosen if (found := differences(corpus_templates / path, started))}
    assert different == {}
