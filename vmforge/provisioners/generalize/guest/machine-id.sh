# What is made once for a machine, and anew where it is missing.
if has_systemd; then
    # An empty file is refilled at the next boot. With none, or with `uninitialized` in it, that boot would be a "first
    # boot" (machine-id(5)), which sets every unit to its preset: what the template has enabled or disabled would be lost.
    empty "$root/etc/machine-id"
else
    # dbus-uuidgen makes a missing file, and refuses an empty one
    remove "$root/etc/machine-id"
fi
# systemd would take the new id from here
if [ -f "$root/var/lib/dbus/machine-id" ] && [ ! -L "$root/var/lib/dbus/machine-id" ]; then
    remove "$root/var/lib/dbus/machine-id"
    ! has_systemd || ln -s /etc/machine-id "$root/var/lib/dbus/machine-id" || failed=1
fi
remove "$root/var/lib/systemd/credential.secret" "$root/var/lib/NetworkManager/secret_key" \
    "$root/var/lib/yum/uuid" "$root/var/lib/zypp/AnonymousUniqueId"
# FreeBSD; elsewhere a ZFS pool may be bound to it
[ ! -f "$root/etc/rc.d/hostid" ] || remove "$root/etc/hostid"
what="machine-id"
