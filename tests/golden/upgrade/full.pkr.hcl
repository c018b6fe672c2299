# Debian for the lab.
# See the wiki.

packer {
  required_version = ">= 1.5.0"
  required_plugins {
    qemu = {
      version = "~> 1"
      source  = "github.com/hashicorp/qemu"
    }
  }
}

variable "iso" {
  type    = string
  default = "https://example.org/debian.iso"
}

variable "cpus" {
  type    = string
  default = "2"
}

variable "home" {
  type    = string
  default = env("HOME")
}

variable "name" {
  type    = string
  default = null
}

variable "version" {
  type    = string
  default = "1.0"
}

variable "password" {
  type      = string
  sensitive = true
}

variable "token" {
  type      = string
  default   = null
  sensitive = true
}

variable "built" {
  type    = string
  default = null
}

variable "undeclared" {
  type    = string
  default = ""
}

locals {
  name  = var.name == null ? "box-${var.version}" : var.name
  built = var.built == null ? legacy_isotime("20060102") : var.built
}

local "token" {
  expression = var.token == null ? vault("secret/ci", "token") : var.token
  sensitive  = true
}

locals {
  timestamp = format("%d", rfc3339_parse(timestamp()).unix)
}

source "qemu" "lab" {
  iso_url          = var.iso
  iso_checksum     = "none"
  cpus             = var.cpus
  headless         = true
  vm_name          = "${lower(local.name)}-${local.timestamp}"
  output_directory = "${abspath(path.root)}/out/{{build_name}}"
  qemuargs         = [["-m", "1024"], ["-device", "virtio-rng"]]
  boot_command = [
    "<esc><wait>",
    "auto url=http://{{ .HTTPIP }}:{{ .HTTPPort }}/preseed.cfg ",
    "password=${var.password}<enter>",
  ]
  ssh_username     = "root"
  ssh_password     = var.password
  shutdown_command = "echo '${var.password}' | sudo -S sh -c 'echo $${HOME} %%{x}; poweroff'"

  qemu_img_args {
    create = ["-o", "preallocation=off"]
  }
}

source "oracle-oci" "oracle-oci" {
  # for the tests in the cloud
  ami_name = "{{ ${jsonencode(local.name)} | clean_resource_name }}"
  tags = {
    Name       = local.name
    "built by" = "packer ${packer.version}"
  }

  source_ami_filter {
    filters = {
      name = "debian-*"
    }
    owners      = ["1"]
    most_recent = true
  }

  launch_block_device_mappings {
    device_name = "/dev/xvda"
    volume_size = 8
  }
}

build {
  description = "A box with everything"
  sources = [
    "source.qemu.lab",
    "source.oracle-oci.oracle-oci",
  ]

  provisioner "shell" {
    execute_command  = "{{ .Vars }} bash '{{ .Path }}'"
    environment_vars = ["HOST=${build.Host}", "TOKEN=${local.token}"]
    inline           = ["apt-get update"]
    only             = ["qemu.lab"]
    pause_before     = "10s"
    override = {
      lab = {
        inline = ["true"]
      }
    }
  }

  provisioner "file" {
    content     = <<EOF
one
two $${x}
${var.undeclared}
EOF
    destination = "/tmp/x"
    timeout     = "5000000000ns"
  }

  error-cleanup-provisioner "shell-local" {
    inline = ["echo failed"]
  }

  post-processor "manifest" {}

  post-processor "compress" {
    output              = "{{.BuildName}}.gz"
    keep_input_artifact = true
    except              = ["oracle-oci.oracle-oci"]
  }

  post-processors {
    post-processor "vagrant" {
      output = "${var.home}/{{.Provider}}.box"
    }

    post-processor "checksum" {
      name = "sums"
    }
  }
}
