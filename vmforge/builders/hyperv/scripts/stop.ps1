# Ask the guest to shut down, or cut its power.
param([string]$Name, [switch]$TurnOff)
$ErrorActionPreference = 'Stop'
if ($TurnOff) { Stop-VM -Name $Name -TurnOff -Force } else { Stop-VM -Name $Name -Force -AsJob | Out-Null; Start-Sleep -Seconds 1 }
