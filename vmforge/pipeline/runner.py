"""Runs planned builds side by side and gathers how they ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from vmforge.pipeline.build import BuildResult, run_build
from vmforge.pipeline.plan import PlannedBuild
from vmforge.pipeline.run import Run


def run_builds(
    builds: Sequence[PlannedBuild], run: Run, finished: Callable[[BuildResult], None]
) -> list[BuildResult]:
    """Run the builds, at most `run.parallel` at a time (0: all at once; `-debug`: one).

    `finished` is called in this thread with each result as it comes; the list is in the order of
    `builds`. A bug in one build stops the others and is raised when they have cleaned up.
    """
    limit = 1 if run.debug else run.parallel or len(builds)
    results: dict[str, BuildResult] = {}
    with ThreadPoolExecutor(max_workers=min(limit, len(builds)), thread_name_prefix="build") as pool:
        futures = [pool.submit(run_build, build, run) for build in builds]
        try:
            for future in as_completed(futures):
                result = future.result()
                results[result.name] = result
                finished(result)
        except BaseException:
            run.cancellation.cancel()
            for future in futures:
                future.cancel()
            raise
    return [results[build.full_name] for build in builds if build.full_name in results]
