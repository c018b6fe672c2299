# Debian from an image, and every configuration tool and test runner that can run in it. Below the line about
# failures, tests put provisioners in the place of all that follows.
variable "image" {
  type        = string
  description = "Debian 12, with a user `debian` (password `debian`) who may use sudo; examples/debian-12 makes one."
}

variable "mirror" {
  type        = string
  description = "The archive that the guest's packages come from: http://HOST/debian"
}

variable "ansible" {
  type        = string
  description = "The `ansible-playbook` of this machine."
}

variable "testinfra" {
  type        = string
  description = "A `pytest` of this machine that has testinfra."
}

variable "goss" {
  type        = string
  description = "A goss for the guest."
}

variable "salt" {
  type        = string
  description = "An archive of Salt, as `pip install --target` lays it out."
}

source "qemu" "debian" {
  iso_url          = var.image
  iso_checksum     = "none"
  disk_image       = true
  use_backing_file = true
  cpus             = 2
  memory           = 1024
  disk_cache       = "unsafe"
  headless         = true
  ssh_username     = "debian"
  ssh_password     = "debian"
  ssh_timeout      = "20m"
  shutdown_command = "sudo shutdown -P now"
}

build {
  sources = ["qemu.debian"]

  provisioner "shell" {
    name             = "packages"
    execute_command  = "chmod +x {{ .Path }}; sudo env {{ .Vars }} sh -e {{ .Path }}"
    environment_vars = ["DEBIAN_FRONTEND=noninteractive"]
    inline = [
      "echo 'deb ${var.mirror} bookworm main' >/etc/apt/sources.list",
      "apt-get -qq update",
      "apt-get -qq -y install --no-install-recommends puppet-agent ansible-core bats >/dev/null",
    ]
  }

  provisioner "file" {
    name        = "tools"
    sources     = [var.salt, var.goss]
    destination = "/tmp/"
  }

  provisioner "shell" {
    name            = "unpack"
    execute_command = "sudo sh -e {{ .Path }}"
    inline = [
      "mkdir /opt/salt",
      "tar -C /opt/salt -xf /tmp/${basename(var.salt)}",
      "printf '#!/bin/sh\\nPYTHONPATH=/opt/salt exec python3 /opt/salt/bin/salt-call \"$@\"\\n' >/usr/local/bin/salt-call",
      "install /tmp/${basename(var.goss)} /usr/local/bin/goss",
      "chmod 755 /usr/local/bin/salt-call",
      "rm /tmp/${basename(var.salt)} /tmp/${basename(var.goss)}",
    ]
  }

  # -- failures begin here --

  provisioner "shell" {
    name   = "marks"
    env    = { STAGE = "it's one" }
    inline = ["mkdir /tmp/made", "echo \"$STAGE of $PACKER_BUILD_NAME\" >/tmp/made/shell"]
  }

  provisioner "file" {
    source      = "payload"
    destination = "/tmp/made"
  }

  provisioner "file" {
    content     = "from the template\n"
    destination = "/tmp/made/content"
  }

  provisioner "shell" {
    name   = "keep"
    inline = ["sudo cp -a /tmp/made /var/made", "cat /proc/sys/kernel/random/boot_id >/tmp/boot-id", "sudo mv /tmp/boot-id /var/made/first-boot"]
  }

  provisioner "shell" {
    name              = "restart"
    inline            = ["sudo systemctl reboot", "sleep 600"]
    expect_disconnect = true
  }

  provisioner "shell" {
    name         = "after the restart"
    pause_before = "1s"
    inline       = ["cat /proc/sys/kernel/random/boot_id | sudo tee /var/made/second-boot >/dev/null"]
  }

  provisioner "ansible" {
    playbook_file   = "ansible/site.yml"
    command         = var.ansible
    groups          = ["web"]
    extra_arguments = ["--extra-vars", "{\"way\": \"direct\"}"]
  }

  provisioner "ansible" {
    playbook_file   = "ansible/site.yml"
    command         = var.ansible
    groups          = ["web"]
    use_proxy       = true
    extra_arguments = ["--extra-vars", "{\"way\": \"proxy\"}"]
  }

  provisioner "ansible-local" {
    playbook_file           = "ansible/site.yml"
    role_paths              = ["ansible/roles/greeting"]
    group_vars              = "ansible/group_vars"
    inventory_groups        = ["web"]
    extra_arguments         = ["--extra-vars", "way=local"]
    clean_staging_directory = true
  }

  provisioner "puppet-masterless" {
    manifest_file           = "puppet/site.pp"
    module_paths            = ["puppet/modules"]
    hiera_config_path       = "puppet/hiera.yaml"
    facter                  = { role = "it's web" }
    clean_staging_directory = true
  }

  provisioner "salt-masterless" {
    local_state_tree   = "salt/states"
    local_pillar_roots = "salt/pillars"
    grains_file        = "salt/grains"
    formulas           = ["salt/formulas//motd"]
  }

  provisioner "goss" {
    tests         = ["tests/goss.yaml"]
    vars_inline   = { motd = "made of a" }
    skip_install  = true
    use_sudo      = true
    retry_timeout = "30s"
    format        = "documentation"
  }

  provisioner "shell" {
    name   = "facts"
    inline = ["sudo tar -C /var/made -czf /tmp/facts.tar.gz .", "sudo chown debian /tmp/facts.tar.gz", "sudo cp -a /var/made /tmp/facts", "sudo chmod -R a+rX /tmp/facts"]
  }

  provisioner "file" {
    direction   = "download"
    source      = "/tmp/facts.tar.gz"
    destination = "down/"
  }

  provisioner "file" {
    direction   = "download"
    source      = "/tmp/facts/"
    destination = "facts/"
  }

  provisioner "test" {
    inline            = ["grep -q 'from salt' /var/made/salt", "test -n \"$STAGE\""]
    scripts           = ["tests/plain.sh"]
    bats              = ["tests/made.bats"]
    goss_file         = "tests/goss.yaml"
    goss_vars         = "tests/goss-vars.yaml"
    goss_binary       = var.goss
    testinfra         = ["tests/made_testinfra.py"]
    testinfra_command = [var.testinfra]
    env               = { STAGE = "image" }
    execute_command   = "sudo -E {{ .Command }}"
    junit             = "report.xml"
  }
}
