# Power a machine on, and open its window unless it is not wanted.
param([string]$Name, [switch]$Window)
$ErrorActionPreference = 'Stop'
Start-VM -Name $Name
if ($Window) { Start-Process -FilePath 'vmconnect.exe' -ArgumentList @('localhost', $Name) }
