# The tiny guest with two disks and four provisioners, each of which says that it runs; tests change the last.
variable "iso" {
  type = string
}

variable "last" {
  type    = string
  default = "echo ran-four; echo four | sudo tee /made/four >/dev/null"
}

variable "names" {
  type    = list(string)
  default = ["tiny"]
}

source "qemu" "tiny" {
  iso_url              = var.iso
  iso_checksum         = "none"
  http_content         = { "/tiny.cfg" = "hostname=tiny\nuser=forge\npassword=secret-of-forge\n" }
  disk_size            = "512M"
  disk_additional_size = ["16M"]
  memory               = 512
  headless             = true
  boot_wait            = "3s"
  boot_command         = ["install ks=http://{{ .HTTPIP }}:{{ .HTTPPort }}/tiny.cfg<enter>"]
  ssh_username         = "forge"
  ssh_password         = "secret-of-forge"
  shutdown_command     = "sudo poweroff"
}

build {
  dynamic "source" {
    for_each = var.names
    iterator = each
    labels   = ["source.qemu.tiny"]
    content {
      name             = each.value
      output_directory = "output-${each.value}"
    }
  }

  provisioner "shell" {
    name   = "one"
    inline = ["echo ran-one", "sudo mkdir /made", "echo one | sudo tee /made/one >/dev/null", "sleep 600 & echo $! >/tmp/lasting"]
  }

  # says on the second disk that it ran
  provisioner "shell" {
    name   = "two"
    inline = ["echo ran-two", "sudo sh -c 'echo written-by-two >/dev/vdb; sync'"]
  }

  provisioner "file" {
    name        = "three"
    source      = "payload"
    destination = "/tmp"
  }

  provisioner "shell" {
    name   = "four"
    inline = [var.last, "echo build-of-${source.name}"]
  }
}
