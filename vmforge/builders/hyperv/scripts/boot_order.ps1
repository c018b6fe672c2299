# What a machine boots from. First is a device (`CD`, `SCSI:0:0`, ...), Disc the place of the installer's disc.
param([string]$Name, [int]$Generation, [string]$First, [string]$Order, [string]$Disc)
$ErrorActionPreference = 'Stop'
function Get-Device([string]$word) {
    switch -Regex ($word.ToUpper()) {
        '^(CD|DVD)$' {
            if (-not $Disc) { return Get-VMDvdDrive -VMName $Name | Select-Object -First 1 }
            $place = $Disc.Split(':')
            return Get-VMDvdDrive -VMName $Name -ControllerNumber $place[1] -ControllerLocation $place[2]
        }
        '^NET$' { return Get-VMNetworkAdapter -VMName $Name | Select-Object -First 1 }
        '^(IDE|SCSI):' {
            $place = $word.Split(':')
            $where = @{ VMName = $Name; ControllerNumber = $place[1]; ControllerLocation = $place[2] }
            $disk = Get-VMHardDiskDrive @where
            if ($disk) { return $disk }
            return Get-VMDvdDrive @where
        }
    }
    throw "there is no device '$word' to boot from"
}
if ($Generation -eq 1) {
    $all = 'CD', 'IDE', 'LegacyNetworkAdapter', 'Floppy'
    $words = @{ CD = 'CD'; DVD = 'CD'; NET = 'LegacyNetworkAdapter'; FLOPPY = 'Floppy'; IDE = 'IDE' }
    $device = $words[$First.Split(':')[0].ToUpper()]
    Set-VMBios -VMName $Name -StartupOrder (@($device) + ($all | Where-Object { $_ -ne $device }))
} else {
    if ($Order) { Set-VMFirmware -VMName $Name -BootOrder @($Order.Split('|') | ForEach-Object { Get-Device $_ }) }
    if ($First) { Set-VMFirmware -VMName $Name -FirstBootDevice (Get-Device $First) }
}
