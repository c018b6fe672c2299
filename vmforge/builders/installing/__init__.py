"""The recipe of builds on hypervisors other than QEMU: make a machine, provision it, export it."""
