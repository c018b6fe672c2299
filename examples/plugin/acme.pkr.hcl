# vmforge build acme.pkr.hcl

source "acme" "hello" {
  output = "hello.tar.gz"
}

build {
  sources = ["source.acme.hello"]

  provisioner "file" {
    content     = "hello from ${source.name}\n"
    destination = "etc/hello"
  }

  # commands run in the image's folder: relative paths are in the image
  provisioner "shell" {
    remote_folder = "tmp"
    inline        = ["wc -c etc/hello > etc/hello.size"]
  }

  provisioner "acme" {
    message = "made with love"
  }

  post-processor "acme" {
    output = "hello.files.txt"
  }
}
