# A guest that nobody talks to: it installs itself and powers off.
variable "iso" {
  type = string
}

source "qemu" "silent" {
  iso_url          = var.iso
  iso_checksum     = "none"
  http_content     = { "/tiny.cfg" = "poweroff=yes\nuser=forge\npassword=secret-of-forge\n" }
  disk_size        = "512M"
  skip_compaction  = true
  headless         = true
  boot_wait        = "3s"
  boot_command     = ["install ks=http://{{ .HTTPIP }}:{{ .HTTPPort }}/tiny.cfg<enter>"]
  communicator     = "none"
  shutdown_timeout = "1m"
  shutdown_command = "sudo poweroff"
}

build {
  sources = ["qemu.silent"]
}
