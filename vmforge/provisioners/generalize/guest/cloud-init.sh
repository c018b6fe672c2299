# What cloud-init knows of its first run, so that it runs again.
if [ -z "$root" ] && command -v cloud-init >/dev/null; then
    # it knows of more than the files below: what distributions and installers have told it to clean
    cloud-init clean --logs --seed >/dev/null 2>&1 || cloud-init clean --logs >/dev/null 2>&1 || failed=1
    count=1
fi
remove "$root"/var/lib/cloud/* "$root"/var/log/cloud-init*.log
what="cloud-init's state"
