# What ties this machine to its vendor's services: Red Hat's, SUSE's, Ubuntu Pro.
remove "$root"/etc/pki/consumer/* "$root"/etc/pki/entitlement/* "$root/etc/sysconfig/rhn/systemid" \
    "$root/etc/insights-client/machine-id" "$root/etc/SUSEConnect" \
    "$root/etc/zypp/credentials.d/SCCcredentials" "$root"/var/lib/ubuntu-advantage/private/*
what="registrations"
