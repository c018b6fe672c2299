# A guest on a bridge of this machine.
variable "iso" {
  type = string
}

variable "bridge" {
  type = string
}

source "qemu" "bridged" {
  iso_url          = var.iso
  iso_checksum     = "none"
  http_content     = { "/tiny.cfg" = "user=forge\npassword=secret-of-forge\n" }
  disk_size        = "512M"
  net_bridge       = var.bridge
  headless         = true
  boot_wait        = "3s"
  boot_command     = ["install ks=http://{{ .HTTPIP }}:{{ .HTTPPort }}/tiny.cfg<enter>"]
  ssh_username     = "forge"
  ssh_password     = "secret-of-forge"
  shutdown_command = "sudo poweroff"
}

build {
  sources = ["qemu.bridged"]

  provisioner "shell" {
    inline = [
      "echo http=$PACKER_HTTP_IP",
      "echo ip=$(ip -4 -o addr)",
    ]
  }
}
