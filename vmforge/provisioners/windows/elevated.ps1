# Runs a command as a scheduled task: as another user, with all rights, and with a logon of its own (what comes
# over WinRM has one of the network, which Windows Update and many installers refuse).
Remove-Item -Force -LiteralPath $MyInvocation.MyCommand.Path
$ProgressPreference = 'SilentlyContinue'
$ErrorActionPreference = 'Stop'
$name = @NAME@
$user = @USER@
$password = @PASSWORD@
$log = "$env:SystemRoot\Temp\$name.log"

$scheduler = New-Object -ComObject Schedule.Service
$scheduler.Connect()
$tasks = $scheduler.GetFolder('\')
$task = $scheduler.NewTask(0)
$task.RegistrationInfo.Description = 'a step of an image build'
$task.Principal.RunLevel = 1                        # the highest that the user has
$task.Settings.ExecutionTimeLimit = 'PT0S'          # none
$task.Settings.DisallowStartIfOnBatteries = $false
$task.Settings.StopIfGoingOnBatteries = $false
$task.Settings.Priority = 4                         # as a program of the desktop; 7 would starve its disk I/O
$action = $task.Actions.Create(0)
$action.Path = "$env:SystemRoot\System32\cmd.exe"
$action.Arguments = '/s /c "' + @COMMAND@ + ' > "' + $log + '" 2>&1"'

# Without a password only the accounts of services log on (SYSTEM).
$logon = 1
if (-not $password) { $logon = 5; $password = $null }
$pending = 267009, 267011                           # it runs; it has not run yet
$position = 0
$oem = [Text.Encoding]::GetEncoding([Globalization.CultureInfo]::CurrentCulture.TextInfo.OEMCodePage)

function Show-Log {
    if (-not [IO.File]::Exists($log)) { return }
    $file = New-Object IO.FileStream $log, 'Open', 'Read', 'ReadWrite, Delete'
    try {
        [void]$file.Seek($script:position, 'Begin')
        $bytes = New-Object byte[] 65536
        while (($count = $file.Read($bytes, 0, $bytes.Length)) -gt 0) {
            [Console]::Out.Write($oem.GetString($bytes, 0, $count))
        }
        $script:position = $file.Position
    } finally { $file.Close() }
}

$status = 1
try {
    $running = $tasks.RegisterTaskDefinition($name, $task, 6, $user, $password, $logon, $null)
    [void]$running.Run($null)
    $asked = [Environment]::TickCount
    do {
        Start-Sleep -Milliseconds 250
        Show-Log
        $never = ($running.LastTaskResult -eq 267011) -and ($running.State -eq 3)
        if ($never -and ([Environment]::TickCount - $asked) -gt 60000) { throw 'it did not start within a minute' }
    } while (($running.State -eq 4) -or ($running.State -eq 2) -or ($pending -contains $running.LastTaskResult))
    Show-Log
    $status = $running.LastTaskResult
} catch {
    [Console]::Error.WriteLine("the scheduled task for '$user' failed: " + $_.Exception.GetBaseException().Message)
} finally {
    try { $tasks.DeleteTask($name, 0) } catch { }
    Remove-Item -Force -ErrorAction SilentlyContinue -LiteralPath $log
}
exit $status
