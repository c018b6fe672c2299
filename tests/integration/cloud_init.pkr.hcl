# An image with cloud-init, which lets the build in, sets the machine up, and fails where the test wants that.
variable "base" {
  type        = string
  description = "What cloud_init_base.pkr.hcl makes."
}

variable "seed" {
  type        = string
  description = "How the guest gets its seed: `iso` or `http`."
  default     = "iso"
}

variable "command" {
  type        = string
  description = "What cloud-init runs last."
  default     = "echo ran >/var/ran"
}

source "qemu" "cloud" {
  iso_url          = var.base
  iso_checksum     = "none"
  disk_image       = true
  use_backing_file = true
  cpus             = 2
  memory           = 1024
  disk_cache       = "unsafe"
  headless         = true
  ssh_username     = "forge"
  ssh_timeout      = "20m"
  shutdown_command = "sudo shutdown -P now"
  vm_name          = "cloud.qcow2"

  cloud_init {
    seed      = var.seed
    user_data = <<-EOT
      #cloud-config
      users:
        - name: forge
          shell: /bin/bash
          sudo: ALL=(ALL) NOPASSWD:ALL
          ssh_authorized_keys: ["{{ .SSHPublicKey }}"]
      write_files:
        - path: /var/written
          content: by cloud-init, for {{ .Name }}
      runcmd:
        - ["sh", "-c", ${jsonencode(var.command)}]
    EOT
    meta_data = <<-EOT
      instance-id: test-of-${var.seed}
      local-hostname: guest-of-${var.seed}
    EOT
    # a seed that is served is found when the network is there
    network_config = var.seed == "http" ? null : <<-EOT
      version: 2
      ethernets:
        card:
          match: { name: "en*" }
          dhcp4: true
          mtu: 1400
    EOT
  }
}

build {
  sources = ["qemu.cloud"]

  provisioner "shell" {
    inline = [
      "mkdir /tmp/facts",
      "cp /var/ran /var/written /tmp/facts",
      "cloud-init status --long >/tmp/facts/status",
      "sudo cloud-init query subplatform >/tmp/facts/source",
      "sudo cloud-init query instance_id >/tmp/facts/instance",
      "hostname >/tmp/facts/hostname",
      "whoami >/tmp/facts/user",
      "cat /sys/class/net/en*/mtu >/tmp/facts/mtu",
      "sudo passwd --status debian >/tmp/facts/debian",
    ]
  }

  provisioner "file" {
    direction   = "download"
    source      = "/tmp/facts/"
    destination = "facts/"
  }
}
