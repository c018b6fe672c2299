# Take out floppy and discs, with the drives that they were put into.
param([string]$Name, [int]$Generation)
$ErrorActionPreference = 'Stop'
if ($Generation -eq 1) { Set-VMFloppyDiskDrive -VMName $Name -Path $null }
Get-VMDvdDrive -VMName $Name | Remove-VMDvdDrive
