# One playbook, three platforms: an AMI, an image of Google's, and a container image.

packer {
  required_plugins {
    amazon        = { source = "github.com/hashicorp/amazon", version = ">= 1.2" }
    ansible       = { source = "github.com/hashicorp/ansible", version = ">= 1.1" }
    docker        = { source = "github.com/hashicorp/docker", version = ">= 1.0" }
    googlecompute = { source = "github.com/hashicorp/googlecompute", version = ">= 1.1" }
  }
}

variable "project" {
  type        = string
  description = "The project at Google that pays."
}

variable "aws_region" {
  type    = string
  default = "eu-west-1"
}

variable "zone" {
  type    = string
  default = "europe-west1-b"
}

variable "container" {
  type        = string
  description = "The image that the container starts from; it needs Python for Ansible."
  default     = "docker.io/library/python:3-slim"
}

locals {
  stamp = formatdate("YYYYMMDDhhmm", timestamp())
}

source "amazon-ebs" "web" {
  region        = var.aws_region
  instance_type = "t3.micro"
  ssh_username  = "admin"
  ami_name      = "web-${local.stamp}"

  source_ami_filter {
    filters = {
      name                = "debian-12-amd64-*"
      virtualization-type = "hvm"
    }
    owners      = ["136693071363"]
    most_recent = true
  }

  tags = {
    Name = "web"
    Base = "{{ .SourceAMIName }}"
  }
}

source "googlecompute" "web" {
  project_id          = var.project
  zone                = var.zone
  source_image_family = "debian-12"
  ssh_username        = "packer"
  image_name          = "web-${local.stamp}"
  image_family        = "web"
}

source "docker" "web" {
  image   = var.container
  commit  = true
  changes = ["EXPOSE 80", "CMD [\"python3\", \"-m\", \"http.server\", \"--directory\", \"/srv/web\", \"80\"]"]
}

build {
  name    = "web"
  sources = ["source.amazon-ebs.web", "source.googlecompute.web", "source.docker.web"]

  provisioner "ansible" {
    playbook_file   = "${path.root}/playbook.yml"
    extra_arguments = ["--extra-vars", "platform=${source.type}"]
  }

  post-processor "docker-tag" {
    only       = ["docker.web"]
    repository = "localhost/web"
    tags       = [local.stamp]
  }

  post-processor "manifest" {
    output     = "manifest.json"
    strip_path = true
  }
}
