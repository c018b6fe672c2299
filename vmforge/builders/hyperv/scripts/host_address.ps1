# The IPv4 address of this host on a switch.
param([string]$Switch)
$ErrorActionPreference = 'Stop'
$found = Get-VMNetworkAdapter -ManagementOS | Where-Object { $_.SwitchName -eq $Switch } | ForEach-Object {
    $mac = ($_.MacAddress -replace '..(?!$)', '$&-')
    Get-NetAdapter | Where-Object { $_.MacAddress -eq $mac } |
        Get-NetIPAddress -AddressFamily IPv4 -ErrorAction SilentlyContinue
} | Where-Object { $_.IPAddress } | Select-Object -First 1
if (-not $found) { throw "this host has no address on the switch '$Switch': set ``http_bind_address``" }
$found.IPAddress
