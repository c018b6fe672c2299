#!/bin/sh
# From a fresh clone to a machine image: installs what is needed, makes the installer's CD, builds the image.
# Arguments go to `vmforge build`.
set -eu
cd "$(dirname "$0")/../.."

sh tests/setup.sh
.venv/bin/python tests/guest/master.py --output build/tiny.iso
(cd build && sha256sum tiny.iso >tiny.iso.sha256)

# adaptive: `boot_wait` ends as soon as the boot prompt is seen
.venv/bin/vmforge build -force --set boot_mode=adaptive "$@" examples/quickstart

echo
echo "What was made:"
ls -hs build/quickstart
cat <<'END'

What to try next:
  boot the image, and log in (password: packer) from another terminal:
    qemu-system-x86_64 -m 512 -nographic -snapshot build/quickstart/quickstart.qcow2 \
      -nic user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:2222-:22
    ssh -p 2222 packer@127.0.0.1
  change something, and build again:
    .venv/bin/vmforge build -force -var 'greeting=Hello, you.' examples/quickstart
  see what else a template can say:
    .venv/bin/vmforge docs builder qemu
  check that everything works on this machine:
    sh tests/run.sh
END
