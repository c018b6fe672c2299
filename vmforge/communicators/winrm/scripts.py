"""The PowerShell that moves files in the guest, and how it is put on a command line.

It runs in Windows PowerShell 2.0 and later (folders need .NET 4.5). A script must stay below 2,500
characters: `cmd` passes 8,191 on, and the encoding makes almost three of each.
"""

from __future__ import annotations

import base64

# Text in and out: without it, PowerShell writes its errors as XML when its command is encoded.
_SWITCHES = (
    "-NoProfile",
    "-NonInteractive",
    "-ExecutionPolicy",
    "Bypass",
    "-InputFormat",
    "Text",
    "-OutputFormat",
    "Text",
    "-EncodedCommand",
)

# A script's own failures end it with a status, and with their message alone.
_PREAMBLE = """\
$ProgressPreference = 'SilentlyContinue'
$ErrorActionPreference = 'Stop'
trap { [Console]::Error.WriteLine($_.Exception.GetBaseException().Message); exit 1 }
"""

# `~`, relative paths and `$env:` mean what they mean in PowerShell.
_RESOLVE = """\
$path = $ExecutionContext.InvokeCommand.ExpandString('@PATH@')
$path = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($path)
"""

# Standard input comes as a line at a time to `process`: with a command on its command line PowerShell reads
# its input itself, and `[Console]::In` would compete with it.
_UPLOAD = f"""\
begin {{
{_PREAMBLE}{_RESOLVE}$folder = [IO.Path]::GetDirectoryName($path)
if ($folder) {{ [void][IO.Directory]::CreateDirectory($folder) }}
$file = [IO.File]::Create($path)
}}
process {{
if ($_) {{ $bytes = [Convert]::FromBase64String($_); $file.Write($bytes, 0, $bytes.Length) }}
}}
end {{
$length = $file.Length
$file.Close()
[Console]::Out.WriteLine($length)
}}
"""

# 196,608 is a multiple of three: no padding within the stream of lines.
_DOWNLOAD = f"""\
{_PREAMBLE}{_RESOLVE}if ([IO.Directory]::Exists($path)) {{ throw "it is a folder" }}
$file = New-Object IO.FileStream $path, 'Open', 'Read', 'ReadWrite, Delete'
[Console]::Out.WriteLine($file.Length)
$bytes = New-Object byte[] 196608
while (($count = $file.Read($bytes, 0, $bytes.Length)) -gt 0) {{
[Console]::Out.WriteLine([Convert]::ToBase64String($bytes, 0, $count))
}}
$file.Close()
"""

_UNPACK = f"""\
{_PREAMBLE}{_RESOLVE}Add-Type -AssemblyName System.IO.Compression.FileSystem
[void][IO.Directory]::CreateDirectory($path)
$zip = $ExecutionContext.InvokeCommand.ExpandString('@ARCHIVE@')
$archive = [IO.Compression.ZipFile]::OpenRead($zip)
foreach ($entry in $archive.Entries) {{
$target = Join-Path $path $entry.FullName
if ($entry.FullName.EndsWith('/')) {{ [void][IO.Directory]::CreateDirectory($target); continue }}
[void][IO.Directory]::CreateDirectory([IO.Path]::GetDirectoryName($target))
[IO.Compression.ZipFileExtensions]::ExtractToFile($entry, $target, $true)
}}
$archive.Dispose()
[IO.File]::Delete($zip)
"""

_PACK = f"""\
{_PREAMBLE}{_RESOLVE}Add-Type -AssemblyName System.IO.Compression.FileSystem
if (-not [IO.Directory]::Exists($path)) {{ throw "there is no such folder" }}
$zip = $ExecutionContext.InvokeCommand.ExpandString('@ARCHIVE@')
[IO.Compression.ZipFile]::CreateFromDirectory($path, $zip, 'Fastest', $false)
"""

_REMOVE = f"{_PREAMBLE}{_RESOLVE}[IO.File]::Delete($path)\n"


def upload(path: str) -> str:
    """Writes a file from lines of Base64 on standard input, making its folder; prints its length."""
    return _fill(_UPLOAD, path)


def download(path: str) -> str:
    """Prints a file's length and then its contents, as lines of Base64."""
    return _fill(_DOWNLOAD, path)


def unpack(archive: str, folder: str) -> str:
    """Unpacks a ZIP file over what is in a folder, which is made if need be, and removes it."""
    return _fill(_UNPACK, folder, archive)


def pack(folder: str, archive: str) -> str:
    """Packs a folder's contents into a new ZIP file."""
    return _fill(_PACK, folder, archive)


def remove(path: str) -> str:
    """Removes a file, if it is there."""
    return _fill(_REMOVE, path)


def _fill(script: str, path: str, archive: str = "") -> str:
    return script.replace("@PATH@", _quoted(path)).replace("@ARCHIVE@", _quoted(archive))


def _quoted(text: str) -> str:
    """For between single quotes; PowerShell takes typographic ones for quotes as well."""
    for quote in ("'", "\u2018", "\u2019", "\u201a", "\u201b"):
        text = text.replace(quote, quote * 2)
    return text


def arguments(script: str) -> list[str]:
    """PowerShell's arguments that run a script, whatever characters it holds."""
    return [*_SWITCHES, base64.b64encode(script.encode("utf-16-le")).decode("ascii")]
