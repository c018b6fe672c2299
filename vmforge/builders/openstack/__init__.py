"""OpenStack: images out of servers, and of disks that were built elsewhere."""
