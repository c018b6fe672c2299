# A Vagrant box of the quickstart's small Linux, and a catalogue of its versions. See docs/vagrant.md.
#
#   vmforge build examples/vagrant
#   vagrant box add build/boxes/metadata.json

variable "iso" {
  type        = string
  description = "The installer's CD, made by `python tests/guest/master.py --output build/tiny.iso`."
  default     = "build/tiny.iso"
}

variable "output" {
  type        = string
  description = "The folder of the boxes and of their catalogue."
  default     = "build/boxes"
}

variable "version" {
  type    = string
  default = "1.0.0"
}

source "qemu" "tiny" {
  iso_url          = var.iso
  iso_checksum     = "none"
  memory           = 512
  disk_size        = "1G"
  headless         = true
  http_directory   = "${path.root}/http"
  boot_wait        = "1s"
  boot_command     = ["install ks=http://{{ .HTTPIP }}:{{ .HTTPPort }}/vagrant.cfg<enter>"]
  ssh_username     = "vagrant"
  ssh_password     = "vagrant"
  ssh_timeout      = "10m"
  shutdown_command = "sudo shutdown -P now"
  output_directory = "${var.output}/disk"
}

build {
  sources = ["source.qemu.tiny"]

  provisioner "shell" {
    inline = ["echo 'Built by vmforge, run by Vagrant.' | sudo tee /etc/motd"]
  }

  # One box for each provider, all of the same disk.
  post-processor "vagrant" {
    output               = "${var.output}/tiny-${var.version}-{{ .Provider }}-{{ .Architecture }}.box"
    vagrantfile_template = "${path.root}/Vagrantfile.template"

    catalog {
      path        = "${var.output}/metadata.json"
      box_tag     = "vmforge/tiny"
      version     = var.version
      description = "A small Linux, for trying things out."
    }
  }
}
