# Export a machine, or, with DisksOnly, copy its disks. Prints the folder that has the result.
param([string]$Name, [string]$Folder, [switch]$DisksOnly)
$ErrorActionPreference = 'Stop'
$target = Join-Path $Folder 'export'
New-Item -ItemType Directory -Force -Path $target | Out-Null
if ($DisksOnly) {
    $disks = Join-Path $target 'Virtual Hard Disks'
    New-Item -ItemType Directory -Force -Path $disks | Out-Null
    Get-VMHardDiskDrive -VMName $Name | ForEach-Object { Copy-Item -Path $_.Path -Destination $disks }
    $target
} else {
    Export-VM -Name $Name -Path $target
    Join-Path $target $Name
}
