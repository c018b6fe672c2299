#!/bin/sh
# Installs nginx and has it answer with this machine's own page.
set -eu
command -v cloud-init >/dev/null && cloud-init status --wait >/dev/null || : # it may still be using apt
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y nginx
echo "made by $PACKER_BUILDER_TYPE" >/var/www/html/index.html
systemctl enable nginx
nginx -t
