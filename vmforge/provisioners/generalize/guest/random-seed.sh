# The seed of the kernel's random numbers: copies that start with the same are alike.
remove "$root/var/lib/systemd/random-seed" "$root/var/lib/urandom/random-seed" "$root/var/lib/misc/random-seed" \
    "$root/var/lib/random-seed" "$root"/var/lib/seedrng/* "$root/loader/random-seed" "$root/boot/loader/random-seed" \
    "$root/efi/loader/random-seed" "$root/boot/efi/loader/random-seed" "$root/entropy" "$root/boot/entropy" \
    "$root"/var/db/entropy/* "$root/etc/random.seed" "$root/var/db/host.random"
what="random seed"
if [ -d "$root/run/systemd/system" ]; then
    # for as long as this guest runs: shutting down would save a new one
    write "$root/run/systemd/system/systemd-random-seed.service.d/unsaved.conf" <<'END' || failed=1
[Service]
ExecStop=
END
    [ -n "$root" ] || systemctl daemon-reload || failed=1
elif [ "$count" -gt 0 ]; then
    why="this system may save a new one when it shuts down"
fi
