# Installs a small Linux from its CD, sets it up over SSH and packs the disk. Packer builds this file as well.
#
#   vmforge build examples/quickstart
#
# (run.sh beside this file does that, and makes the CD first.)

# Variables are given with -var NAME=VALUE, a *.pkrvars.hcl file, or PKR_VAR_NAME in the environment.
variable "iso" {
  type        = string
  description = "The installer's CD; its checksum is expected beside it, in a file named like it with .sha256 behind."
  default     = "build/tiny.iso"
}

variable "output" {
  type        = string
  description = "The folder that the image is left in; it must not exist yet."
  default     = "build/quickstart"
}

variable "accelerator" {
  type        = string
  description = "How the CPU is run: kvm or tcg. Left out, what the machine can do is used."
  default     = null
}

variable "greeting" {
  type    = string
  default = "Hello from an image that was built from a template."
}

locals {
  password = "packer"
}

# What is built: a virtual machine, installed from a CD.
source "qemu" "quickstart" {
  # The CD. Its checksum is verified before anything starts.
  iso_url      = var.iso
  iso_checksum = "file:${var.iso}.sha256"

  # The machine.
  accelerator = var.accelerator
  memory      = 512
  disk_size   = "1G"
  format      = "qcow2"
  headless    = true

  # The installer asks its questions over HTTP: this folder is served to it, and to nobody else.
  http_directory = "${path.root}/http"

  # Once the machine has had time to show its prompt, this is typed on its keyboard. The address in it is the one
  # that the folder above is served at.
  boot_wait    = "1s"
  boot_command = ["install ks=http://{{ .HTTPIP }}:{{ .HTTPPort }}/tiny.cfg<enter>"]

  # When the installed system answers here, the installation is over. http/tiny.cfg has the same name and password.
  ssh_username = "packer"
  ssh_password = local.password
  ssh_timeout  = "10m"

  # The last thing that is run.
  shutdown_command = "sudo shutdown -P now"

  output_directory = var.output
  vm_name          = "quickstart.qcow2"
}

build {
  sources = ["source.qemu.quickstart"]

  # Commands, run one after the other; the first that fails ends the build.
  provisioner "shell" {
    inline = [
      "echo \"$(uname -sr) on $(hostname), up for $(cut -d. -f1 /proc/uptime) seconds\"",
      "mkdir -p /tmp/files",
    ]
  }

  # A folder of this machine, copied into that one.
  provisioner "file" {
    source      = "${path.root}/files/"
    destination = "/tmp/files"
  }

  # A script of its own, with values from here in its environment.
  provisioner "shell" {
    script           = "${path.root}/scripts/setup.sh"
    environment_vars = ["GREETING=${var.greeting}"]
    execute_command  = "chmod +x {{ .Path }}; sudo env {{ .Vars }} {{ .Path }}"
  }

  # What happens to the finished disk. Each block starts from it.
  post-processor "checksum" {
    checksum_types = ["sha256"]
    output         = "${var.output}/quickstart.sha256"
  }

  post-processor "manifest" {
    output     = "${var.output}/manifest.json"
    strip_path = true
  }

  post-processor "compress" {
    output              = "${var.output}/quickstart.tar.gz"
    keep_input_artifact = true
  }
}
