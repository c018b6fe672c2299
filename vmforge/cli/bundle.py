"""`vmforge bundle`: all that builds need, in one signed archive, for places without a network."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from vmforge.cli.bundle_contents import Gathering, Wanted, build_command, gather
from vmforge.cli.cache_listing import count_text, size_text
from vmforge.cli.flags import Command, Group
from vmforge.cli.offline_options import MirrorOption, Offline, network_of, settings_folder
from vmforge.cli.running import TemplateRequest
from vmforge.cli.template_options import ConfigType, Except, Only, SetOption, Var, VarFile
from vmforge.cli.terminal import Terminal
from vmforge.errors import UsageError

if TYPE_CHECKING:
    from vmforge.bundles import Bundle, Imported, Manifest, Signer, Trust
    from vmforge.bundles.manifest import BundledLayer
    from vmforge.cache import Store
    from vmforge.sdk.cancellation import Cancellation

NAME = "bundle"

command = typer.Typer(
    cls=Group,
    help="Carry all that builds need to places without a network, in one signed archive.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

BundleArgument = Annotated[Path, typer.Argument(metavar="BUNDLE", help="The archive.", show_default=False)]
TrustOption = Annotated[
    list[Path],
    typer.Option(
        "--trust",
        metavar="KEY.pub",
        help="A public key whose bundles are believed; repeatable. Those in `trusted-keys/` of the folder of "
        "your settings are always.",
    ),
]
AllowUnsigned = Annotated[bool, typer.Option("--allow-unsigned", help="Take a bundle that nobody signed.")]


# long, because typer reads the flags off the parameters
@command.command("create", cls=Command)
def create(
    context: typer.Context,
    templates: Annotated[
        list[Path], typer.Argument(metavar="TEMPLATE...", help="The templates.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The archive to write.")],
    var: Var = [],
    var_file: VarFile = [],
    only: Only = [],
    except_: Except = [],
    set_: SetOption = [],
    key: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="The private key to sign with.")
    ] = None,
    unsigned: Annotated[bool, typer.Option("--unsigned", help="Do not sign it.")] = False,
    root: Annotated[
        Path,
        typer.Option("--root", metavar="DIR", help="The folder that all files of the templates lie below."),
    ] = Path(),
    include: Annotated[
        list[Path],
        typer.Option(
            "--include", metavar="PATH", help="Also this file or folder, which no option names; repeatable."
        ),
    ] = [],
    packages: Annotated[
        bool, typer.Option("--packages", help="Add what `-package-cache` kept of the builds' last runs.")
    ] = False,
    layers: Annotated[
        bool,
        typer.Option(
            "--layers",
            help="Add the machines that are kept after the builds' steps. Their memory is in them: "
            "passwords and keys that the builds know can be read out of the bundle.",
        ),
    ] = False,
    wheels: Annotated[
        bool, typer.Option("--wheels/--no-wheels", help="Add vmforge itself, for this version of Python.")
    ] = True,
    extra: Annotated[
        list[str],
        typer.Option("--extra", metavar="NAME", help="Also what `vmforge[NAME]` needs; repeatable."),
    ] = [],
    offline: Offline = False,
    mirror: MirrorOption = [],
    config_type: ConfigType = "",
) -> None:
    """Gather all that the builds of templates need: media, files, answers of data sources, vmforge itself."""
    from vmforge.bundles import Collection, write_bundle
    from vmforge.bundles.media import MediaDesk
    from vmforge.bundles.wheels import WheelMaker
    from vmforge.cache import Store, default_root

    shown: Terminal = context.obj
    signer = _signer(key, unsigned)
    network = network_of(offline, mirror)
    store = Store(default_root(os.environ))
    request = TemplateRequest(Path(), var, var_file, only, except_, set_, config_type, network=network)
    ui = shown.ui("bundle")
    with (
        _interruptible(shown) as cancellation,
        ExitStack() as resources,
        tempfile.TemporaryDirectory(prefix="vmforge-wheels-") as made,
    ):
        collection = Collection(root, store.digests, lambda count: cancellation.check())
        desk = MediaDesk(store, ui, cancellation, network)
        gathering = Gathering(collection, store, desk, ui, cancellation, resources)
        gather(shown, Wanted(templates, request, packages, include, layers), gathering)
        if wheels:
            maker = WheelMaker(Path(made) / "wheels", cancellation, ui.message, network.offline)
            for path in maker.make(extra):
                collection.add_wheel(path)
        manifest = collection.manifest()
        for warning in dict.fromkeys(collection.warnings):
            ui.warn(warning)
        with ui.progress(f"Writing {output.name}", None) as progress:

            def tick(count: int) -> None:
                cancellation.check()
                progress.advance(count)

            written = write_bundle(output, manifest, collection.sources, signer, tick)
    shown.print(f"{output}: {size_text(output.stat().st_size)}, {_summary(written)}, {_signed_by(written)}")


@command.command("verify", cls=Command)
def verify(context: typer.Context, bundle: BundleArgument, trust: TrustOption = []) -> None:
    """Read all of a bundle, and check every digest and the signature."""
    from vmforge.bundles import Bundle

    shown: Terminal = context.obj
    with Bundle(bundle) as opened:
        note = _check_signature(opened, trust, allow_unsigned=True)
        with shown.ui("bundle").progress(f"Checking {bundle.name}", bundle.stat().st_size) as progress:
            for content in opened.members():
                for _ in content.chunks():
                    pass
                progress.advance(content.member.stored_size)
    shown.print(f"{bundle} is whole: {_summary(opened.manifest)}, {_signed_by(opened.manifest)}")
    if note:
        shown.note(f"warning: {note}")


@command.command("import", cls=Command)
def take_in(
    context: typer.Context,
    bundle: BundleArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="The folder for templates and wheels, a new one."),
    ] = None,
    trust: TrustOption = [],
    allow_unsigned: AllowUnsigned = False,
) -> None:
    """Put a bundle's media into the cache, and its templates and wheels into a folder."""
    from vmforge.bundles import Bundle, import_bundle
    from vmforge.cache import Store, default_root
    from vmforge.cache.limit import LAYERS_LIMIT

    shown: Terminal = context.obj
    target = output or Path(bundle.name.removesuffix(".vmb") if bundle.suffix else f"{bundle.name}.d")
    with Bundle(bundle) as opened, _interruptible(shown) as cancellation:
        if note := _check_signature(opened, trust, allow_unsigned=allow_unsigned, refuse=True):
            shown.note(f"warning: {note}")
        store = Store(default_root(os.environ))
        limit = LAYERS_LIMIT.bytes(store.root, os.environ)
        total = sum(member.stored_size for member in opened.manifest.members)
        with shown.ui("bundle").progress(f"Importing {bundle.name}", total) as progress:
            done = import_bundle(opened, store, target, cancellation, progress.advance)
    for path in done.manifest.left_out:
        shown.note(f"warning: `{path}` is not in the bundle, and a build reads it")
    if done.new_layers:
        _make_room(shown, done, store, limit)
    new = done.new_objects + len(done.new_layers)
    shown.print(f"{target}: {_summary(done.manifest)}, {new} new in the cache")
    for line in _next_steps(done.manifest, target):
        shown.print(line)


@command.command("list", cls=Command)
def show(
    context: typer.Context,
    bundle: BundleArgument,
    as_json: Annotated[bool, typer.Option("--json", help="The manifest as it is, as JSON.")] = False,
) -> None:
    """Show what is in a bundle, by its manifest."""
    from vmforge.bundles import Bundle

    shown: Terminal = context.obj
    with Bundle(bundle) as opened:
        manifest = opened.manifest
    if as_json:
        shown.print(json.dumps(json.loads(opened.text), indent=2, ensure_ascii=False))
        return
    shown.print(f"{_signed_by(manifest)}, made by vmforge {manifest.vmforge}")
    for line in _listing(manifest):
        shown.print(line)


@command.command("key", cls=Command)
def key(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The private key to make.", show_default=False)
    ],
) -> None:
    """Make a key to sign bundles with: FILE, and its public half FILE.pub."""
    from vmforge.bundles import make_key
    from vmforge.bundles.signing import public_file, shown_key

    shown: Terminal = context.obj
    made = make_key(file)
    shown.print(f"{file}: keep it to yourself, and sign with `--key {file}`")
    shown.print(f"{public_file(file)}: {shown_key(made.public)}")


# -- what the commands share ---------------------------------------------------------------------


def _signer(key: Path | None, unsigned: bool) -> Signer | None:
    from vmforge.bundles import Signer

    if key is None and not unsigned:
        hint = "make a key with `vmforge bundle key FILE`, and say `--key FILE`; or say `--unsigned`"
        raise UsageError("who signs the bundle?", hint=hint)
    if key is not None and unsigned:
        raise UsageError("`--key` and `--unsigned` contradict each other")
    return Signer.read(key) if key is not None else None


def _trust(files: Sequence[Path]) -> Trust:
    from vmforge.bundles import Trust

    return Trust.of(files, settings_folder(os.environ) / "trusted-keys")


def _check_signature(
    bundle: Bundle, files: Sequence[Path], *, allow_unsigned: bool, refuse: bool = False
) -> str:
    """What is to be said of a signature. Raises `BundleError` for a wrong one, for one of nobody's who is
    trusted when keys are named or with `refuse`, and for none unless that is allowed."""
    from vmforge.bundles.signing import is_signed

    trust, signer = _trust(files), bundle.manifest.signer
    signed = is_signed(bundle.text, bundle.signature, signer) if signer else False
    if refuse or files or not signed or signer in trust.keys:
        trust.check(bundle.text, bundle.signature, signer, allow_unsigned=allow_unsigned and not files)
        return "" if signer else "nobody signed the bundle"
    return "the signature is right, but nobody said that its key is to be trusted (`--trust KEY.pub`)"


@contextmanager
def _interruptible(shown: Terminal) -> Iterator[Cancellation]:
    """A command that Ctrl-C ends orderly."""
    from vmforge.cli.signals import Signals
    from vmforge.sdk.cancellation import Cancellation

    cancellation = Cancellation()
    with Signals(cancellation, lambda: shown.print("==> interrupted: cleaning up")):
        yield cancellation


def _make_room(shown: Terminal, done: Imported, store: Store, limit: int) -> None:
    """Delete the longest unused layers beyond the limit; what had to go of the bundle's own is said."""
    from vmforge.cache.layers import LayerStore

    gone = {layer.id for layer in LayerStore(store).prune(limit)}
    lost = [layer for layer in done.new_layers if layer.id in gone]
    if lost:
        hint = f"layers may take up {size_text(limit)} (`VMFORGE_LAYERS_LIMIT`)"
        shown.note(f"warning: {count_text(lost, 'layer')} of the bundle did not stay: {hint}")


def _summary(manifest: Manifest) -> str:
    parts = [
        count_text(manifest.templates, "template"),
        count_text(manifest.objects, "object"),
        count_text(manifest.files, "file"),
        count_text(manifest.wheels, "wheel"),
        *([count_text(manifest.layers, "layer")] if manifest.layers else []),
    ]
    return ", ".join(parts)


def _signed_by(manifest: Manifest) -> str:
    from vmforge.bundles.signing import shown_key

    return f"signed by {shown_key(manifest.signer)}" if manifest.signer else "not signed"


def _listing(manifest: Manifest) -> Iterator[str]:
    sizes = {member.sha256: member.size for member in manifest.members}
    rows = [("template", template.path, "") for template in manifest.templates]
    rows += [("object", one.origin, size_text(sizes[one.sha256])) for one in manifest.objects]
    rows += [("file", one.path, size_text(sizes[one.sha256])) for one in manifest.files]
    rows += [("wheel", one.name, size_text(sizes[one.sha256])) for one in manifest.wheels]
    rows += [("layer", f"{one.build}: {one.step}", _size_of(one, sizes)) for one in manifest.layers]
    rows += [("left out", path, "") for path in manifest.left_out]
    width = max((len(name) for _, name, _ in rows), default=0)
    for kind, name, size in rows:
        yield f"{kind:<9} {name:<{width}}  {size:>10}".rstrip()


def _size_of(layer: BundledLayer, sizes: Mapping[str, int]) -> str:
    return size_text(sum(sizes[digest] for digest in layer.files.values()))


def _next_steps(manifest: Manifest, folder: Path) -> Iterator[str]:
    from vmforge.bundles.importing import PROJECT, WHEELS
    from vmforge.bundles.wheels import platform_name, python_version

    yield ""
    if manifest.wheels:
        if (manifest.python, manifest.platform) != (python_version(), platform_name()):
            yield f"The wheels are for Python {manifest.python} on {manifest.platform}."
        yield f"pip install --no-index --find-links {quote(str(folder / WHEELS))} vmforge"
    inside = folder / PROJECT / manifest.folder
    for template in manifest.templates:
        path = Path(os.path.relpath(template.path, manifest.folder))
        yield f"cd {quote(str(inside))} && {build_command(path, template.arguments)}"
