# Delete a machine, its folder and a switch that was made for it, as far as they are there.
param([string]$Name, [string]$Folder, [string]$MadeSwitch)
$ErrorActionPreference = 'Stop'
$vm = Get-VM -Name $Name -ErrorAction SilentlyContinue
if ($vm) {
    $vm | Where-Object { $_.State -ne 'Off' } | Stop-VM -TurnOff -Force
    $vm | Remove-VM -Force
}
if ($Folder -and (Test-Path -Path $Folder)) { Remove-Item -Recurse -Force -Path $Folder }
if ($MadeSwitch) { Get-VMSwitch -Name $MadeSwitch -ErrorAction SilentlyContinue | Remove-VMSwitch -Force }
