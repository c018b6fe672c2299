# $hostname, wherever a system keeps its name.
for path in "$root/etc/hostname" "$root/etc/HOSTNAME" "$root/etc/myname"; do
    [ -f "$path" ] || continue
    echo "$hostname" >"$path" || failed=1
    count=$((count + 1))
done
if [ -f "$root/etc/rc.conf" ] && grep -q '^hostname=' "$root/etc/rc.conf"; then
    drop_lines '^hostname=' "$root/etc/rc.conf"
    echo "hostname=\"$hostname\"" >>"$root/etc/rc.conf" || failed=1
    count=$((count + 1))
fi
# what Debian's installer makes the old name stand for
if [ -f "$root/etc/hosts" ] && grep -q '^127\.0\.1\.1' "$root/etc/hosts"; then
    drop_lines '^127\.0\.1\.1' "$root/etc/hosts"
    printf '127.0.1.1\t%s\n' "$hostname" >>"$root/etc/hosts" || failed=1
fi
what="hostname \`$hostname\`"
