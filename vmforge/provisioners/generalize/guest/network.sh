# What ties the configuration of the network to this machine's card, and the addresses that it was leased.
remove "$root"/var/lib/dhcp/dhclient* "$root"/var/lib/dhclient/* "$root"/var/lib/dhcpcd/* "$root/etc/dhcpcd.duid" \
    "$root/etc/dhcpcd.secret" "$root"/var/lib/NetworkManager/*.lease "$root/var/lib/NetworkManager/timestamps" \
    "$root"/var/lib/wicked/* "$root"/var/db/dhclient.leases.* "$root"/var/db/dhcpcd/* "$root"/var/db/dhcpleased/*
remove "$root/etc/udev/rules.d/70-persistent-net.rules" "$root/etc/udev/rules.d/70-persistent-cd.rules"
drop_lines '^HWADDR=' "$root"/etc/sysconfig/network-scripts/ifcfg-*
drop_lines '^mac-address=' "$root"/etc/NetworkManager/system-connections/*
what="leases and names of the network"
# cloud-init writes this one anew
for path in "$root"/etc/netplan/*.yaml; do
    [ "${path##*/}" != 50-cloud-init.yaml ] && [ -f "$path" ] && grep -q 'macaddress:' "$path" || continue
    why="\`${path#"$root"}\` names the address of a network card"
done
