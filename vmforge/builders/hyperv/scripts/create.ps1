# A new machine, off, with one disk: a new one, a copy of Source, or one of the differences to it.
param(
    [string]$Name, [string]$Folder, [int]$Generation, [int]$MemoryMiB, [long]$DiskMiB, [int]$BlockMiB,
    [string]$Switch, [string]$Version, [string]$Source, [switch]$Differencing, [switch]$Fixed
)
$ErrorActionPreference = 'Stop'
$disks = Join-Path $Folder 'Virtual Hard Disks'
New-Item -ItemType Directory -Force -Path $disks | Out-Null
$extension = '.vhdx'
if ($Fixed) { $extension = '.vhd' } elseif ($Source) { $extension = [System.IO.Path]::GetExtension($Source) }
$disk = Join-Path $disks ($Name + $extension)
if ($Source -and $Differencing) {
    New-VHD -Path $disk -ParentPath $Source -Differencing | Out-Null
} elseif ($Source) {
    Copy-Item -Path $Source -Destination $disk
    Set-ItemProperty -Path $disk -Name IsReadOnly -Value $false
    if ((Get-VHD -Path $disk).Size -lt ($DiskMiB * 1mb)) { Resize-VHD -Path $disk -SizeBytes ($DiskMiB * 1mb) }
} elseif ($Fixed) {
    New-VHD -Path $disk -Fixed -SizeBytes ($DiskMiB * 1mb) | Out-Null
} else {
    New-VHD -Path $disk -Dynamic -SizeBytes ($DiskMiB * 1mb) -BlockSizeBytes ($BlockMiB * 1mb) | Out-Null
}
$options = @{
    Name = $Name; Path = $Folder; MemoryStartupBytes = ($MemoryMiB * 1mb); VHDPath = $disk
    SwitchName = $Switch; Generation = $Generation
}
if ($Version) { $options.Version = $Version }
New-VM @options | Out-Null
