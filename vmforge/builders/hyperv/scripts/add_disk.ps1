# A further disk.
param([string]$Name, [string]$Folder, [string]$File, [long]$DiskMiB, [int]$BlockMiB)
$ErrorActionPreference = 'Stop'
$disk = Join-Path (Join-Path $Folder 'Virtual Hard Disks') $File
New-VHD -Path $disk -Dynamic -SizeBytes ($DiskMiB * 1mb) -BlockSizeBytes ($BlockMiB * 1mb) | Out-Null
Add-VMHardDiskDrive -VMName $Name -ControllerType SCSI -Path $disk
