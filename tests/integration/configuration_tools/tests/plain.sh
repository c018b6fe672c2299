#!/bin/sh
test "$(sudo cat /var/made/puppet)" = "from puppet, it's web, debian"
