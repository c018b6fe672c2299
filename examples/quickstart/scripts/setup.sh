#!/bin/sh
# Runs in the new machine, as root.
set -eu

echo "Installing the files"
mkdir -p /srv/www
cp /tmp/files/index.html /srv/www/
echo "$GREETING" >/etc/motd

echo "Starting a web server with the system"
printf '::respawn:/usr/bin/busybox httpd -f -h /srv/www\n' >>/etc/inittab

echo "Cleaning up"
rm -rf /tmp/files
