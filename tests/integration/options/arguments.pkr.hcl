# Media that vmforge makes, and arguments for QEMU, a network with a forward of the template's own among them.
variable "iso" {
  type = string
}

source "qemu" "arguments" {
  iso_url          = var.iso
  iso_checksum     = "none"
  http_content     = { "/tiny.cfg" = "user=forge\npassword=secret-of-forge\n" }
  disk_size        = "512M"
  disk_interface   = "ide"
  format           = "raw"
  cd_content       = { "user-data" = "from the template", "sub/meta-data" = "id" }
  cd_label         = "cidata"
  floppy_content   = { "ks.cfg" = "answers" }
  floppy_label     = "OEMDRV"
  host_port_min    = 24000
  host_port_max    = 24999
  headless         = true
  boot_wait        = "3s"
  boot_command     = ["install ks=http://{{ .HTTPIP }}:{{ .HTTPPort }}/tiny.cfg<enter>"]
  ssh_username     = "forge"
  ssh_password     = "secret-of-forge"
  shutdown_command = "sudo poweroff"
  qemuargs = [
    ["-m", "768M"],
    ["-smp", "cpus=2,", "sockets=1"],
    ["-serial", "file:{{ .OutputDir }}/console.log"],
    ["-smbios", "type=1,serial={{ .Name }}-at-{{ .SSHHostPort }}"],
    ["-netdev", "user,id=user.0,", "hostfwd=tcp::{{ .SSHHostPort }}-:22,"],
    ["-device", "virtio-net,netdev=user.0"],
    ["-device", "virtio-rng-pci"],
  ]
}

build {
  sources = ["qemu.arguments"]

  provisioner "shell" {
    inline = [
      "sudo modprobe -a sr_mod isofs",
      "sudo mount -t iso9660 -o ro /dev/sr1 /mnt",
      "echo cd=$(cat /mnt/user-data), $(cat /mnt/sub/meta-data)",
      "echo label=$(sudo dd if=/dev/sr1 bs=1 skip=32808 count=6 2>/dev/null)",
      "echo disk=$(cd /sys/block && echo sd?)",
      "echo memory=$(awk '/MemTotal/ {print int($2 / 1024)}' /proc/meminfo)",
      "echo cpus=$(grep -c ^processor /proc/cpuinfo)",
      "echo serial=$(sudo cat /sys/class/dmi/id/product_serial)",
      "echo rng=$(cat /sys/class/misc/hw_random/rng_available)",
    ]
  }
}
