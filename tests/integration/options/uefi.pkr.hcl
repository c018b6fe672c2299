# UEFI firmware whose own shell finds a disk with a script that powers the machine off.
variable "code" {
  type = string
}

variable "variables" {
  type = string
}

source "qemu" "found" {
  iso_url          = "fat.img"
  iso_checksum     = "none"
  disk_image       = true
  skip_resize_disk = true
  efi_boot         = true
  communicator     = "none"
  headless         = true
}

source "qemu" "given" {
  iso_url           = "fat.img"
  iso_checksum      = "none"
  disk_image        = true
  skip_resize_disk  = true
  efi_firmware_code = var.code
  efi_firmware_vars = var.variables
  efi_drop_efivars  = true
  communicator      = "none"
  headless          = true
}

build {
  sources = ["qemu.found", "qemu.given"]
}
