#!/bin/sh
# Installs Redis and has it listen on this machine alone.
set -eu
command -v cloud-init >/dev/null && cloud-init status --wait >/dev/null || : # it may still be using apt
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y redis-server
sed -i 's/^bind .*/bind 127.0.0.1 -::1/' /etc/redis/redis.conf
systemctl enable redis-server
redis-server --version
