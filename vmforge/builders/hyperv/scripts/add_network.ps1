# A further network card.
param([string]$Name, [string]$Switch, [string]$MacAddress)
$ErrorActionPreference = 'Stop'
$card = Add-VMNetworkAdapter -VMName $Name -SwitchName $Switch -Passthru
if ($MacAddress) { Set-VMNetworkAdapter -VMNetworkAdapter $card -StaticMacAddress $MacAddress }
