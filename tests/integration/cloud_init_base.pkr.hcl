# Debian's own cloud image as nearly as it can be had from an installed Debian: cloud-init, its network by netplan,
# nobody who can log in, and nothing known of an earlier boot.
variable "image" {
  type        = string
  description = "Debian 12, with a user `debian` (password `debian`) who may use sudo; examples/debian-12 makes one."
}

variable "mirror" {
  type        = string
  description = "The archive that the guest's packages come from: http://HOST/debian"
}

source "qemu" "base" {
  iso_url          = var.image
  iso_checksum     = "none"
  disk_image       = true
  use_backing_file = true
  cpus             = 2
  memory           = 1024
  disk_cache       = "unsafe"
  headless         = true
  ssh_username     = "debian"
  ssh_password     = "debian"
  ssh_timeout      = "20m"
  shutdown_command = "sudo shutdown -P now"
  output_directory = "base"
  vm_name          = "base.qcow2"
}

build {
  sources = ["qemu.base"]

  provisioner "shell" {
    name             = "packages"
    execute_command  = "chmod +x {{ .Path }}; sudo env {{ .Vars }} sh -e {{ .Path }}"
    environment_vars = ["DEBIAN_FRONTEND=noninteractive"]
    inline = [
      "echo 'deb ${var.mirror} bookworm main' >/etc/apt/sources.list",
      "apt-get -qq update",
      "apt-get -qq -y install --no-install-recommends cloud-init netplan.io >/dev/null",
    ]
  }

  # no layer: nobody could log in to a machine that goes on from it
  provisioner "shell" {
    name            = "hand over"
    cache           = false
    execute_command = "sudo sh -e {{ .Path }}"
    inline = [
      "echo 'auto lo\niface lo inet loopback' >/etc/network/interfaces",
      "echo \"system_info: { network: { renderers: ['netplan'] } }\" >/etc/cloud/cloud.cfg.d/20_renderer.cfg",
      "systemctl enable --quiet systemd-networkd",
      "passwd --lock debian",
    ]
  }

  provisioner "generalize" {}
}
