"""Whether a builder keeps its contract while it builds, also when it fails or is cancelled at any step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vmforge.errors import Interrupted
from vmforge.sdk.artifact import Artifact
from vmforge.sdk.builder import Builder
from vmforge.sdk.communicator import Communicator, Connector
from vmforge.sdk.testing.components import check_component, complain
from vmforge.sdk.testing.fakes import configure
from vmforge.sdk.testing.rehearsal import Injection, Mishap, Rehearsal, outcome_faults, rehearse
from vmforge.sdk.testing.surroundings import Surroundings, leftovers
from vmforge.sdk.testing.watching import Watch
from vmforge.sdk.testing.work import artifact_faults
from vmforge.sdk.values import Value


def check_builder(
    component: type[Builder[Any]],
    options: Mapping[str, Value],
    folder: Path,
    *,
    communicator: Communicator | None = None,
    connector: Connector[Any] | None = None,
    left_behind: Callable[[], Iterable[str]] = lambda: (),
) -> None:
    """Build with `options`, then build again and again: with a failure before each step, one after it, and a
    cancellation after it; provisioning is a step of its own. `folder` must be empty; each build has a folder
    below it that is the current one, so relative paths in `options` are apart.

    A build that ends early must leave no file, thread, process or socket, nor what `left_behind` names (a
    fake cloud's resources, say). An artifact must be whole, and go with `destroy`, also when that is called
    twice. Raises `ContractViolation`.
    """
    check_component(component)
    trial = _Trial(component, options, folder, communicator, connector, left_behind)
    complain(component, trial.faults())


@dataclass
class _Trial:
    component: type[Builder[Any]]
    options: Mapping[str, Value]
    folder: Path
    communicator: Communicator | None
    connector: Connector[Any] | None
    left_behind: Callable[[], Iterable[str]]
    printed: set[str] = field(default_factory=set)

    def faults(self) -> Iterator[str]:
        titles, faults = self._whole_build()
        yield from faults
        for at, title in enumerate(titles):
            last = at == len(titles) - 1
            # what fails once the last step is done is no part of the build any more
            for mishap in (Mishap.BEFORE,) if last else Mishap:
                yield from self._early_end(Injection(at, mishap), f"when `{title}` {mishap.value}")
        yield from sorted(self.printed)

    def _whole_build(self) -> tuple[list[str], list[str]]:
        work = self._new_folder("whole")
        before = Surroundings.of(work)
        run = self._run(work, None)
        faults = [*outcome_faults(run, "in a build that nothing disturbs")]
        if run.error is not None:
            faults.append(f"cannot build: {run.error}")
            return run.titles, faults
        if run.result is not None:
            faults += artifact_faults(run.result, base=work)
        faults += [f"leaves {left} beside its artifact" for left in self._left(work, before)]
        return run.titles, faults

    def _early_end(self, injection: Injection, when: str) -> Iterator[str]:
        work = self._new_folder(f"{injection.at}-{injection.mishap.name.lower()}")
        before = Surroundings.of(work)
        run = self._run(work, injection)
        yield from outcome_faults(run, when)
        if run.error is None and injection.mishap is Mishap.CANCEL and len(run.titles) > injection.at + 1:
            yield f"goes on {when}"
        if run.error is None:
            return
        if injection.mishap is Mishap.CANCEL and not isinstance(run.error, Interrupted):
            yield f"raises `{run.error}` in place of `Interrupted` {when}"
        yield from (f"leaves {left} {when}" for left in self._left(work, before))

    def _run(self, work: Path, injection: Injection | None) -> Rehearsal[Artifact | None]:
        builder = configure(self.component, self.options)
        assert isinstance(builder, Builder)
        watch = Watch()
        with watch:
            run = rehearse(
                builder.build,
                work,
                injection=injection,
                communicator=self.communicator,
                connector=self.connector,
            )
        self.printed |= {touched for touched in watch.touched if touched.startswith("prints")}
        return run

    def _left(self, work: Path, before: Surroundings) -> list[str]:
        return leftovers(work, before, self.left_behind)

    def _new_folder(self, name: str) -> Path:
        work = self.folder / name / "work"
        work.mkdir(parents=True)
        return work
