# Whether machines can be made here. Prints the version of the Hyper-V module.
$ErrorActionPreference = 'Stop'
$module = Get-Module -ListAvailable -Name Hyper-V | Select-Object -First 1
if (-not $module) { throw 'Hyper-V and its PowerShell module are not installed: Enable-WindowsOptionalFeature -Online -FeatureName Microsoft-Hyper-V -All' }
Import-Module Hyper-V
Get-VMHost | Out-Null
$module.Version.ToString()
