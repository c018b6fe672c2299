# What lies in /tmp and /var/tmp, but for this script and what running services have there.
for path in "$root"/tmp/* "$root"/tmp/.[!.]* "$root"/tmp/..?* \
    "$root"/var/tmp/* "$root"/var/tmp/.[!.]* "$root"/var/tmp/..?*; do
    case $path in
        "$self" | */systemd-private-* | */.*-unix) ;;
        *) remove "$path" ;;
    esac
done
what="temporary files ($count)"
