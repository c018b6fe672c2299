# A floppy (generation 1).
param([string]$Name, [string]$Path)
$ErrorActionPreference = 'Stop'
Set-VMFloppyDiskDrive -VMName $Name -Path $Path
