# Packages and lists of packages that can be fetched again.
remove "$root"/var/cache/apt/archives/*.deb "$root"/var/cache/apt/archives/partial/* "$root"/var/cache/apt/*.bin \
    "$root"/var/lib/apt/lists/* "$root"/var/cache/dnf/* "$root"/var/cache/libdnf5/* "$root"/var/cache/yum/* \
    "$root"/var/cache/zypp/* "$root"/var/cache/apk/* "$root"/var/cache/pacman/pkg/* "$root"/var/cache/pkg/*
what="package caches"
