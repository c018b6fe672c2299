# Scan codes, in hex, for a machine's keyboard.
param([string]$Name, [string]$Codes)
$ErrorActionPreference = 'Stop'
$id = (Get-VM -Name $Name).Id.Guid
$keyboard = Get-CimInstance -Namespace root/virtualization/v2 -ClassName Msvm_Keyboard -Filter "SystemName = '$id'"
$bytes = [byte[]]($Codes.Split(' ') | ForEach-Object { [Convert]::ToByte($_, 16) })
Invoke-CimMethod -InputObject $keyboard -MethodName TypeScancodes -Arguments @{ Scancodes = $bytes } | Out-Null
