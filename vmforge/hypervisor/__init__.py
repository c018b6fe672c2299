"""Virtual machines and their disks: everything that vmforge does through libvirt and qemu-img."""
