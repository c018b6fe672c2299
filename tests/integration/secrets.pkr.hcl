# A secret in every place where a build of an existing host takes one; each place has one of its own.
variable "environment" {
  sensitive = true
}
variable "flag" {
  sensitive = true
}
variable "file" {
  sensitive = true
}
variable "json" {
  sensitive = true
}
variable "auto" {
  sensitive = true
}
variable "variables" {
  sensitive = true
}
variable "text" {
  sensitive = true
}
variable "sudo" {
  sensitive = true
}
variable "ansible" {
  sensitive = true
}
variable "shell_local" {
  sensitive = true
}
variable "custom_data" {
  sensitive = true
}
variable "last" {
  default = "true"
}
variable "port" {}
variable "key" {}
variable "folder" {}

local "derived" {
  expression = base64encode("user:${var.environment}")
  sensitive  = true
}

source "null" "host" {
  ssh_host             = "127.0.0.1"
  ssh_port             = var.port
  ssh_username         = "root"
  ssh_private_key_file = var.key
  ssh_password         = "ssh-password-PLACE"
  ssh_bastion_password = "bastion-password-PLACE"
  ssh_proxy_password   = "proxy-password-PLACE"
  winrm_password       = "winrm-password-PLACE"
}

build {
  sources = ["null.host"]

  provisioner "shell" {
    environment_vars = ["A=${var.variables}"]
    env              = { B = var.variables, C = "{\"password\": ${jsonencode(var.json)}}" }
    inline = [
      "sleep 0.4",
      "env",
      "echo \"$A\"; printf %s \"$A\" | base64 -w0; echo; printf x%s \"$A\" | base64 -w0; echo",
      "printf xx%s \"$A\" | base64 -w0; echo; echo '${local.derived}'",
      "cat <<'EOF'",
      "${var.text} ${urlencode(var.text)} ${jsonencode(var.text)} ${base64encode(var.file)} ${var.auto} ${var.flag}",
      "EOF",
      "env >&2",
    ]
  }

  provisioner "shell" {
    environment_vars = ["A=${var.variables}"]
    execute_command  = "chmod +x {{ .Path }}; cat > /dev/null <<'EOF'\n${var.sudo}\nEOF\n{{ .Vars }} {{ .Path }}"
    inline           = ["sleep 0.4", "cat <<'EOF'", "${build.Password} ${build.SSHPrivateKey}", "EOF"]
  }

  provisioner "file" {
    content     = var.file
    destination = "${var.folder}/uploaded"
  }

  provisioner "shell-local" {
    environment_vars = ["A=${var.shell_local}"]
    inline           = ["sleep 0.4", "echo \"$A\"", "cat <<'EOF'", "${var.text}", "EOF"]
  }

  provisioner "shell-local" {
    environment_vars = ["A=${var.shell_local}"]
    command          = "sleep 0.4; echo \"$A\""
    execute_command  = ["/bin/sh", "-c", "{{ .Vars }} exec {{ .Script }}"]
  }

  provisioner "ansible" {
    command          = "${var.folder}/ansible-playbook"
    playbook_file    = "${var.folder}/playbook.yml"
    use_proxy        = false
    extra_arguments  = ["--extra-vars", "password=${jsonencode(var.ansible)}", "-v"]
    ansible_env_vars = ["SECRET=${var.variables}"]
  }

  provisioner "shell" {
    inline = [var.last]
  }

  post-processor "manifest" {
    output      = "${var.folder}/manifest.json"
    custom_data = { password = var.custom_data }
  }

  post-processor "shell-local" {
    environment_vars = ["A=${var.shell_local}"]
    inline           = ["sleep 0.4", "echo \"$A\""]
  }
}
