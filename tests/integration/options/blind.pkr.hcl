# What `silent` left, started without a screen, on a network of the template's own.
variable "port" {
  type = number
}

source "qemu" "blind" {
  iso_urls             = ["missing.img", "output-silent/packer-silent"]
  iso_checksum         = "none"
  disk_image           = true
  disk_size            = "640M"
  disk_additional_size = ["96M"]
  disable_vnc          = true
  ssh_username         = "forge"
  ssh_password         = "secret-of-forge"
  shutdown_command     = "sudo poweroff"
  qemuargs = [
    ["-netdev", "user,id=net,hostfwd=tcp:127.0.0.1:${var.port}-:22"],
    ["-device", "virtio-net,netdev=net"],
  ]
}

build {
  sources = ["qemu.blind"]

  provisioner "shell" {
    inline = ["echo sectors=$(cat /sys/block/vda/size /sys/block/vdb/size)"]
  }
}
