# Host keys, where new ones are known to come at the next boot: a guest without any cannot be logged in to.

# count_files PATH...: how many of them exist
count_files() {
    found=0
    for path do
        [ ! -f "$path" ] || found=$((found + 1))
    done
    echo "$found"
}

# Fedora, RHEL: sshd-keygen@.service. Arch: sshdgenkeys.service. SUSE: sshd-gen-keys-start. Alpine, FreeBSD, OpenBSD: the
# script that starts sshd. Debian makes keys only when the package is installed.
openssh_maker() {
    first_with 'ssh-keygen\|sshd-keygen\|sshdgenkeys\|sshd-gen-keys' \
        "$root"/etc/systemd/system/*ssh*.service "$root"/usr/lib/systemd/system/ssh*.service \
        "$root"/lib/systemd/system/ssh*.service "$root"/etc/init.d/sshd "$root"/etc/init.d/ssh \
        "$root"/etc/rc.d/sshd "$root"/etc/rc
}

install_openssh_maker() {
    has_systemd && [ -e "$root/usr/bin/ssh-keygen" ] || return 1
    unit=vmforge-ssh-host-keys.service
    write "$root/etc/systemd/system/$unit" <<'END' || return
[Unit]
Description=Make new SSH host keys
ConditionPathExistsGlob=!/etc/ssh/ssh_host_*_key
Before=ssh.service sshd.service

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=multi-user.target
END
    mkdir -p "$root/etc/systemd/system/multi-user.target.wants" &&
        ln -sf "../$unit" "$root/etc/systemd/system/multi-user.target.wants/$unit" || return
    echo "$unit, added"
}

# OpenWrt, Alpine: the script that starts it; anywhere: its option -R
dropbear_maker() {
    first_with 'dropbearkey' "$root"/etc/init.d/dropbear && return
    for process in "$root"/proc/[0-9]*/cmdline; do
        { tr '\0' ' ' <"$process"; } 2>/dev/null | grep -q '^[^ ]*dropbear .*-[A-Za-z]*R' || continue
        echo "dropbear -R"
        return
    done
    return 1
}

keys=0
openssh=$(count_files "$root"/etc/ssh/ssh_host_*_key)
if [ "$openssh" -gt 0 ]; then
    if maker=$(openssh_maker || install_openssh_maker); then
        remove "$root"/etc/ssh/ssh_host_*_key "$root"/etc/ssh/ssh_host_*_key.pub "$root"/etc/ssh/ssh_host_*_key-cert.pub
        keys=$openssh
    else
        why="those of OpenSSH stay: nothing makes new ones when this guest boots"
    fi
fi
dropbear=$(count_files "$root"/etc/dropbear/dropbear_*_host_key)
if [ "$dropbear" -gt 0 ]; then
    if maker=$(dropbear_maker); then
        remove "$root"/etc/dropbear/dropbear_*_host_key "$root"/etc/dropbear/dropbear_*_host_key.pub
        keys=$((keys + dropbear))
    else
        why="those of dropbear stay: nothing makes new ones when this guest boots"
    fi
fi
what="$keys SSH host keys"
[ "$keys" -ne 1 ] || what="1 SSH host key"
what="$what (new ones: ${maker:-})"
