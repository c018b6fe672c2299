# A copy of an exported machine, or of one that Hyper-V has, off.
param(
    [string]$Name, [string]$Folder, [string]$Exported, [string]$Machine, [string]$Snapshot,
    [switch]$AllSnapshots, [switch]$CopyInCompare, [int]$MemoryMiB, [long]$DiskMiB, [string]$Switch
)
$ErrorActionPreference = 'Stop'
$copied = ''
if ($Machine) {
    $copied = Join-Path $Folder 'source'
    New-Item -ItemType Directory -Force -Path $copied | Out-Null
    if ($Snapshot -and -not $AllSnapshots) {
        Export-VMSnapshot -VMName $Machine -Name $Snapshot -Path $copied
    } else {
        Export-VM -Name $Machine -Path $copied
    }
    $Exported = $copied
}
$file = Get-ChildItem -Path $Exported -Recurse -Include '*.vmcx', '*.xml' |
    Where-Object { $_.DirectoryName -like '*Virtual Machines' } | Select-Object -First 1
if (-not $file) { throw "there is no exported machine in '$Exported'" }
$disks = Join-Path $Folder 'Virtual Hard Disks'
$places = @{
    Path = $file.FullName; GenerateNewId = $true; VirtualMachinePath = $Folder
    SnapshotFilePath = $Folder; SmartPagingFilePath = $Folder; VhdDestinationPath = $disks
}
if ($CopyInCompare -or $Machine) { $places.Copy = $true } else { $places.Copy = $true; $places.VhdSourcePath = Join-Path $Exported 'Virtual Hard Disks' }
$report = Compare-VM @places
foreach ($incompatible in @($report.Incompatibilities | Where-Object { $_.MessageId -eq 33012 })) {
    $incompatible.Source | Connect-VMNetworkAdapter -SwitchName $Switch
}
$vm = Import-VM -CompatibilityReport $report
Rename-VM -VM $vm -NewName $Name
if ($Snapshot -and $AllSnapshots) { Restore-VMSnapshot -VMName $Name -Name $Snapshot -Confirm:$false }
if (-not $AllSnapshots) { Get-VMSnapshot -VMName $Name | Remove-VMSnapshot }
Set-VMMemory -VMName $Name -StartupBytes ($MemoryMiB * 1mb)
Get-VMNetworkAdapter -VMName $Name | Select-Object -First 1 | Connect-VMNetworkAdapter -SwitchName $Switch
if ($DiskMiB) {
    $disk = (Get-VMHardDiskDrive -VMName $Name | Select-Object -First 1).Path
    if ((Get-VHD -Path $disk).Size -lt ($DiskMiB * 1mb)) { Resize-VHD -Path $disk -SizeBytes ($DiskMiB * 1mb) }
}
if ($copied) { Remove-Item -Recurse -Force -Path $copied }
