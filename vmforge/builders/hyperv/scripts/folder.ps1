# A new folder for the machine. Prints its path.
param([string]$Below, [string]$Name)
$ErrorActionPreference = 'Stop'
if (-not $Below) { $Below = [System.IO.Path]::GetTempPath() }
$path = Join-Path $Below $Name
(New-Item -ItemType Directory -Force -Path $path).FullName
