#!/bin/sh
# Runs in the new machine, as root: puts the page in its place, and leaves nothing that only this machine may have.
set -eu
mv /tmp/index.html /var/www/html/index.html
chown root:root /var/www/html/index.html

apt-get clean
rm -rf /var/lib/apt/lists/*
truncate -s 0 /etc/machine-id
fstrim / || echo "the disk does not take discards"
