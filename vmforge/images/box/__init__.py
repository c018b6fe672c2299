"""Vagrant boxes: an archive of disks with what Vagrant must know about them, one provider each."""
