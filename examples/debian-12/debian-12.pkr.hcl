# Debian 12 from its own installer, answered by a preseed file, with a web server set up over SSH.
#
#   sh examples/debian-12/run.sh /path/to/debian-12-installer.iso
#
# By hand, with any Debian mirror:
#
#   vmforge build -var iso=... -var mirror_host=... examples/debian-12

variable "iso" {
  type        = string
  description = "Debian 12's installer CD (netinst, or any other with the text installer)."
  default     = "build/debian-12-installer.iso"
}

variable "iso_checksum" {
  type        = string
  description = "The CD's checksum as sha256:..., from the SHA256SUMS beside it where it was downloaded."
  default     = "none"
}

variable "mirror_host" {
  type        = string
  description = "The host that packages are installed from; the machine's own stands in /etc/apt."
}

variable "mirror_directory" {
  type    = string
  default = "/debian"
}

variable "output" {
  type        = string
  description = "The folder that the image is left in; it must not exist yet."
  default     = "build/debian-12"
}

locals {
  user     = "debian"
  password = "debian"
}

source "qemu" "debian-12" {
  iso_url      = var.iso
  iso_checksum = var.iso_checksum

  cpus         = 2
  memory       = 1024
  disk_size    = "8G"
  disk_discard = "unmap"
  disk_cache   = "unsafe" # a build that breaks off starts over anyway
  format       = "qcow2"
  headless     = true

  # The preseed file is a template itself: what is known here is filled in. (Its path is relative to this file.)
  http_content = {
    "/preseed.cfg" = templatefile("http/preseed.cfg", {
      mirror_host      = var.mirror_host
      mirror_directory = var.mirror_directory
      user             = local.user
      password         = local.password
    })
  }

  # The menu gives way to a `boot:` prompt at Esc. The text console (nomodeset) is quicker than a drawn one.
  boot_wait = "10s"
  boot_command = [
    "<esc><wait>",
    "install auto=true priority=critical url=http://{{ .HTTPIP }}:{{ .HTTPPort }}/preseed.cfg ",
    "hostname=debian12 domain=local vga=normal fb=false nomodeset<enter>",
  ]

  ssh_username     = local.user
  ssh_password     = local.password
  ssh_timeout      = "40m"
  shutdown_command = "sudo shutdown -P now"

  output_directory = var.output
  vm_name          = "debian-12.qcow2"
}

build {
  sources = ["source.qemu.debian-12"]

  provisioner "shell" {
    inline = ["grep PRETTY_NAME /etc/os-release", "uname -r", "df -h /"]
  }

  provisioner "shell" {
    environment_vars = ["DEBIAN_FRONTEND=noninteractive"]
    execute_command  = "chmod +x {{ .Path }}; sudo env {{ .Vars }} {{ .Path }}"
    inline           = ["apt-get -qq update", "apt-get -qq install --no-install-recommends nginx-light"]
  }

  provisioner "file" {
    source      = "${path.root}/files/index.html"
    destination = "/tmp/index.html"
  }

  provisioner "shell" {
    execute_command = "chmod +x {{ .Path }}; sudo env {{ .Vars }} {{ .Path }}"
    script          = "${path.root}/scripts/finish.sh"
  }

  post-processor "checksum" {
    checksum_types = ["sha256"]
    output         = "${var.output}/debian-12.sha256"
  }

  post-processor "manifest" {
    output     = "${var.output}/manifest.json"
    strip_path = true
  }
}
