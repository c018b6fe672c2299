# The hardware of a machine that is off.
param(
    [string]$Name, [int]$Cpus, [switch]$DynamicMemory, [switch]$Nested, [switch]$MacSpoofing,
    [string]$MacAddress, [string]$VlanId, [switch]$LegacyNetwork, [string]$Switch,
    [switch]$SecureBoot, [string]$SecureBootTemplate, [switch]$Tpm, [int]$Generation
)
$ErrorActionPreference = 'Stop'
Set-VM -Name $Name -AutomaticStartAction Nothing
# checkpoints that Hyper-V makes by itself would end up in the export
if ((Get-Command Set-VM).Parameters.ContainsKey('AutomaticCheckpointsEnabled')) {
    Set-VM -Name $Name -AutomaticCheckpointsEnabled $false
}
Set-VMProcessor -VMName $Name -Count $Cpus
Set-VMMemory -VMName $Name -DynamicMemoryEnabled ([bool]$DynamicMemory)
if ($Nested) { Set-VMProcessor -VMName $Name -ExposeVirtualizationExtensions $true }
if ($LegacyNetwork) {
    Get-VMNetworkAdapter -VMName $Name | Remove-VMNetworkAdapter
    Add-VMNetworkAdapter -VMName $Name -SwitchName $Switch -IsLegacy $true
}
$card = Get-VMNetworkAdapter -VMName $Name | Select-Object -First 1
if ($MacAddress) { Set-VMNetworkAdapter -VMNetworkAdapter $card -StaticMacAddress $MacAddress }
if ($MacSpoofing) { Set-VMNetworkAdapter -VMNetworkAdapter $card -MacAddressSpoofing On }
if ($VlanId) { Set-VMNetworkAdapterVlan -VMNetworkAdapter $card -Access -VlanId $VlanId }
if ($Generation -eq 2) {
    if ($SecureBoot) {
        Set-VMFirmware -VMName $Name -EnableSecureBoot On -SecureBootTemplate $SecureBootTemplate
    } else {
        Set-VMFirmware -VMName $Name -EnableSecureBoot Off
    }
    if ($Tpm) {
        Set-VMKeyProtector -VMName $Name -NewLocalKeyProtector
        Enable-VMTPM -VMName $Name
    }
}
