# Give back what the disks do not use.
param([string]$Name)
$ErrorActionPreference = 'Stop'
foreach ($drive in Get-VMHardDiskDrive -VMName $Name) {
    if ((Get-VHD -Path $drive.Path).VhdType -eq 'Fixed') { continue }
    Mount-VHD -Path $drive.Path -ReadOnly
    try { Optimize-VHD -Path $drive.Path -Mode Full } finally { Dismount-VHD -Path $drive.Path }
}
