# A disc in a drive of its own. Prints the drive's place.
param([string]$Name, [string]$Path)
$ErrorActionPreference = 'Stop'
$empty = Get-VMDvdDrive -VMName $Name | Where-Object { -not $_.Path } | Select-Object -First 1
if ($empty) { Set-VMDvdDrive -VMDvdDrive $empty -Path $Path } else { $empty = Add-VMDvdDrive -VMName $Name -Path $Path -Passthru }
'{0}:{1}:{2}' -f $empty.ControllerType, $empty.ControllerNumber, $empty.ControllerLocation
