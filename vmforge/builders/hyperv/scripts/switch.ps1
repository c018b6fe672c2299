# The switch for the machine. Prints its name, and on a second line `made` if it was not there before.
param([string]$Name, [string]$VlanId)
$ErrorActionPreference = 'Stop'
$made = $false
if ($Name) {
    $switch = Get-VMSwitch -Name $Name -ErrorAction SilentlyContinue | Select-Object -First 1
    if (-not $switch) {
        $switch = New-VMSwitch -Name $Name -SwitchType Internal
        $made = $true
    }
} else {
    $up = @(Get-NetAdapter -Physical | Where-Object { $_.Status -eq 'Up' } | ForEach-Object { $_.InterfaceDescription })
    $switch = Get-VMSwitch -SwitchType External |
        Where-Object { $up -contains $_.NetAdapterInterfaceDescription } | Select-Object -First 1
    if (-not $switch) { $switch = Get-VMSwitch -Name 'Default Switch' -ErrorAction SilentlyContinue }
    if (-not $switch) { throw 'there is no external switch that is up: set `switch_name`' }
}
if ($VlanId) { Set-VMNetworkAdapterVlan -ManagementOS -VMNetworkAdapterName $switch.Name -Access -VlanId $VlanId }
$switch.Name
if ($made) { 'made' }
