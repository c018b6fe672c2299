# The state of a machine, as in `Off` or `Running`; nothing when there is no such machine.
param([string]$Name)
$ErrorActionPreference = 'Stop'
$vm = Get-VM -Name $Name -ErrorAction SilentlyContinue | Select-Object -First 1
if ($vm) { $vm.State.ToString() }
