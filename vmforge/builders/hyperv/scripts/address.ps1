# The guest's IPv4 address, as its integration services tell it, or as this host has seen its first network card.
param([string]$Name)
$ErrorActionPreference = 'Stop'
$cards = @(Get-VMNetworkAdapter -VMName $Name)
$told = $cards | ForEach-Object { $_.IPAddresses } | Where-Object { $_ -match '^\d+(\.\d+){3}$' -and $_ -notlike '169.254.*' }
if (-not $told) {
    $mac = ($cards[0].MacAddress -replace '..(?!$)', '$&-')
    $told = Get-NetNeighbor -AddressFamily IPv4 -LinkLayerAddress $mac -ErrorAction SilentlyContinue |
        Where-Object { $_.State -ne 'Unreachable' } | ForEach-Object { $_.IPAddress }
}
$told | Select-Object -First 1
