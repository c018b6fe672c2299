# Logs, the journal, records of logins, crash dumps, the users' mail.
folder=$root/var/log

rotated() {
    find "$folder" -xdev -type f \( -name '*.gz' -o -name '*.xz' -o -name '*.bz2' -o -name '*.zst' -o -name '*.[0-9]' \
        -o -name '*.old' -o -name '*-[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]' \) "$@"
}

written() {
    find "$folder" -xdev -type f -size +0 "$@"
}

# the journal goes on in memory
[ -n "$root" ] || journalctl --relinquish-var >/dev/null 2>&1
remove "$folder"/journal/*
if [ -d "$folder" ]; then
    count=$((count + $(rotated | wc -l)))
    rotated -exec rm -f {} + || failed=1
    count=$((count + $(written | wc -l)))
    written -exec sh -c 'for path do true >"$path" || exit 1; done' sh {} + || failed=1
fi
remove "$root"/var/lib/wtmpdb/* "$root"/var/lib/lastlog/* "$root"/var/lib/systemd/coredump/* "$root"/var/crash/* \
    "$root"/var/spool/abrt/*
empty "$root"/var/account/* "$root"/var/spool/mail/* "$root"/var/mail/*
what="logs ($count files)"
