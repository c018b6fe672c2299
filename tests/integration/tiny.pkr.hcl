# The tiny guest, as plain as a build can be; tests override what they need.
variable "iso" {
  type = string
}

variable "boot_wait" {
  type    = string
  default = "3s"
}

variable "script" {
  type    = string
  default = "uname -a"
}

source "qemu" "tiny" {
  iso_url           = var.iso
  iso_checksum      = "none"
  http_content      = { "/tiny.cfg" = "hostname=tiny\nuser=forge\npassword=secret-of-forge\n" }
  disk_size         = "512M"
  memory            = 512
  headless          = true
  boot_wait         = var.boot_wait
  boot_command      = ["install ks=http://{{ .HTTPIP }}:{{ .HTTPPort }}/tiny.cfg<enter>"]
  ssh_username      = "forge"
  ssh_password      = "secret-of-forge"
  shutdown_command  = "sudo poweroff"
}

build {
  sources = ["source.qemu.tiny"]

  provisioner "shell" {
    inline = [var.script]
  }

  post-processor "checksum" {
    checksum_types = ["sha256"]
    output         = "tiny.{{.ChecksumType}}"
  }
}
