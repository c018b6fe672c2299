"""Opens the layers of a build, with what the user wants of them."""

from __future__ import annotations

import os

from vmforge.cache import Store, default_root
from vmforge.cache.layers import LayerStore
from vmforge.cache.limit import LAYERS_LIMIT
from vmforge.errors import UsageError
from vmforge.pipeline.layers.build_layers import BuildLayers
from vmforge.pipeline.layers.fingerprints import Fingerprints, local_key
from vmforge.pipeline.plan import PlannedBuild
from vmforge.pipeline.run import Run
from vmforge.sdk.context import BuildContext
from vmforge.sdk.layers import LayerPolicy


def layers_of(planned: PlannedBuild, context: BuildContext, run: Run) -> BuildLayers | None:
    """The build's layers; None where its builder cannot make any, or the user wants none.

    Raises `HostError` when the store cannot be used, `UsageError` for a limit that is no size, and when
    the user names a step though there are no layers.
    """
    own = getattr(planned.builder.config, "layers", None)
    policy = (run.layers.policy or own) if isinstance(own, LayerPolicy) else LayerPolicy.OFF
    if policy is LayerPolicy.OFF:
        if flag := run.layers.names_a_step_with:
            hint = "choose other builds with `-only`, or see the option `layers` of the source"
            raise UsageError(f"`{flag}`: `{planned.full_name}` has no layers", hint=hint)
        return None
    shared = Store(default_root(os.environ))
    store = LayerStore(shared)
    fingerprints = Fingerprints(shared.digests, context.template_dir, local_key(shared.root), planned.secrets)
    limit = LAYERS_LIMIT.bytes(store.root, os.environ)
    return BuildLayers(planned, context, store, fingerprints, policy, run.layers, limit)
