# A machine that differs from the default in all that its hardware options say.
variable "iso" {
  type = string
}

source "qemu" "shape" {
  iso_url            = var.iso
  iso_checksum       = "none"
  http_content       = { "/tiny.cfg" = "user=forge\npassword=secret-of-forge\n" }
  http_bind_address  = "0.0.0.0"
  machine_type       = "q35"
  cpus               = 2
  sockets            = 2
  cpu_model          = "Nehalem,+rdrand"
  memory             = 640
  disk_size          = "512M"
  disk_interface     = "virtio-scsi"
  cdrom_interface    = "virtio-scsi"
  disk_cache         = "unsafe"
  disk_discard       = "unmap"
  disk_detect_zeroes = "unmap"
  disk_compression   = true
  host_port_min      = 23000
  host_port_max      = 23999
  vnc_bind_address   = "127.0.0.1"
  vnc_port_min       = 5950
  vnc_port_max       = 5990
  vnc_use_password   = true
  vm_name            = "shape.img"
  output_directory   = "images/shape"
  boot_wait          = "3s"
  boot_steps = [
    ["install ", "choose what to do"],
    ["ks=http://{{ .HTTPIP }}:{{ .HTTPPort }}/tiny.cfg<enter>", "name the answers"],
  ]
  ssh_username     = "forge"
  ssh_password     = "secret-of-forge"
  shutdown_command = "sudo poweroff"
}

build {
  sources = ["qemu.shape"]

  provisioner "shell" {
    inline = [
      "echo cpus=$(grep -c ^processor /proc/cpuinfo)",
      "echo sockets=$(grep '^physical id' /proc/cpuinfo | sort -u | wc -l)",
      "echo model=$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)",
      "echo memory=$(awk '/MemTotal/ {print int($2 / 1024)}' /proc/meminfo)",
      "echo disk=$(cd /sys/block && echo sd?)",
    ]
  }
}
