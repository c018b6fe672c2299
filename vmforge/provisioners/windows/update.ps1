# Installs Windows' updates once (https://learn.microsoft.com/windows/win32/wua_sdk/). Ends with 0 when there is
# nothing left to do, with 101 when the guest must restart before it can go on, with 1 on a failure.
$ProgressPreference = 'SilentlyContinue'
$ErrorActionPreference = 'Stop'
$criteria = @CRITERIA@
$filters = @(@FILTERS@)
$limit = @LIMIT@
trap { "failed: $($_.Exception.GetBaseException().Message)"; exit 1 }

function Test-RestartNeeded {
    if ((New-Object -ComObject Microsoft.Update.SystemInfo).RebootRequired) { return $true }
    Test-Path 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\PackagesPending'
}

function Exit-ForRestart {
    # what the installer of Windows' own modules still writes, a restart would break
    for ($quiet = 0; $quiet -lt 10; $quiet++) {
        if (Get-Process -Name TiWorker -ErrorAction SilentlyContinue) { $quiet = -1 }
        Start-Sleep -Seconds 1
    }
    'the guest must restart'
    exit 101
}

# The first filter that is true of an update decides; without one it is left out.
function Test-Wanted($update) {
    foreach ($filter in $filters) {
        $action, $expression = $filter -split ':', 2
        if ($update | Where-Object -FilterScript ([ScriptBlock]::Create($expression))) { return $action -eq 'include' }
    }
    $false
}

if (Test-RestartNeeded) { Exit-ForRestart }
'searching for updates'
$session = New-Object -ComObject Microsoft.Update.Session
$session.ClientApplicationID = 'vmforge'
$found = $session.CreateUpdateSearcher().Search($criteria)
if ($found.ResultCode -ne 2) { throw "the search ended with result code $($found.ResultCode)" }
$chosen = New-Object -ComObject Microsoft.Update.UpdateColl
$more = $false
foreach ($update in $found.Updates) {
    if (-not (Test-Wanted $update)) { "left out: $($update.Title)"; continue }
    if ($chosen.Count -ge $limit) { $more = $true; break }
    "chosen: $($update.Title)"
    if (-not $update.EulaAccepted) { $update.AcceptEula() }
    [void]$chosen.Add($update)
}
if ($chosen.Count -eq 0) { 'no updates are left'; exit 0 }

"downloading $($chosen.Count)"
$downloader = $session.CreateUpdateDownloader()
$downloader.Updates = $chosen
$code = $downloader.Download().ResultCode
if ($code -ne 2 -and $code -ne 3) { throw "the download ended with result code $code" }
$ready = New-Object -ComObject Microsoft.Update.UpdateColl
foreach ($update in $chosen) { if ($update.IsDownloaded) { [void]$ready.Add($update) } }
if ($ready.Count -eq 0) { throw 'nothing could be downloaded' }

"installing $($ready.Count)"
$installer = $session.CreateUpdateInstaller()
if (Get-Member -InputObject $installer -Name ForceQuiet) { $installer.ForceQuiet = $true }
$installer.Updates = $ready
$result = $installer.Install()
$installed = 0
for ($i = 0; $i -lt $ready.Count; $i++) {
    $one = $result.GetUpdateResult($i)
    if ($one.ResultCode -eq 2 -or $one.ResultCode -eq 3) { $installed++; continue }
    "not installed (0x$('{0:X8}' -f $one.HResult)): $($ready.Item($i).Title)"
}
if ($result.RebootRequired -or (Test-RestartNeeded)) { Exit-ForRestart }
if ($installed -eq 0) { throw 'none of the updates could be installed' }
# updates bring updates: a new round finds them, on a system that has settled
"installed $installed"
Exit-ForRestart
