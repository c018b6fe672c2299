#!/bin/sh
# Prepares this clone on Debian 12, Debian 13 or an Ubuntu LTS, as root or with sudo: the system's packages that are
# missing, and the tool itself in .venv. Says what it installs; with everything there it says nothing.
#
#   sh tests/setup.sh           to build images
#   sh tests/setup.sh test      to run the tests too
set -eu
cd "$(dirname "$0")/.."
purpose=${1:-run}

fail() {
    echo "error: $1" >&2
    exit 1
}

command -v apt-get >/dev/null || fail "this script knows apt only; the packages that are needed stand in $0"
[ -x /usr/bin/python3 ] || fail "/usr/bin/python3 is missing; try: apt-get install python3"
python=python3
/usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || python=python3.11

packages() {
    # the hypervisor: QEMU, and libvirt's driver for it, which runs inside vmforge (no libvirt daemon)
    echo qemu-system-x86 qemu-utils libvirt-daemon-driver-qemu
    # to build libvirt's Python binding, which PyPI has as source only
    echo gcc libc6-dev pkg-config libvirt-dev $python-dev $python-venv ca-certificates
    # the quickstart's CD, on Ubuntu: its kernel modules are compressed so
    ! grep -qs '^ID=ubuntu' /etc/os-release || echo zstd
    # the tests' counterparts
    [ "$purpose" != test ] || echo busybox docker-registry libvmdk-utils libxml2-utils lz4 openssh-client openssh-server ovmf podman qemu-guest-agent rsync runc zstd
}

missing() {
    wanted=$(packages)
    present=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null | sed -n 's/^installed //p') || :
    for name in $wanted; do
        case " $(echo $present) " in *" $name "*) ;; *) echo "$name" ;; esac
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "root is needed for: $*"
    fi
}

apt_get() {
    log=$(mktemp)
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

# install NAME...: without starting what the packages bring (an SSH server, on the way to the tests)
install() {
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap 'as_root rm -f $policy' EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
        as_root chmod 755 $policy
    fi
    ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || apt_get update || fail "apt-get update failed"
    apt_get install --no-install-recommends "$@" 2>/dev/null || {
        apt_get update || fail "apt-get update failed" # the lists may be older than the mirror
        apt_get install --no-install-recommends "$@" || fail "apt-get install failed: $*"
    }
    case " $* " in
        *" openssh-server "*) as_root systemctl disable ssh.service ssh.socket >/dev/null 2>&1 || : ;;
    esac
}

absent=$(missing)
if [ -n "$absent" ]; then
    echo "Installing the system's packages:" $absent
    install $absent
fi

# as root, libvirt's driver wants the user that Debian's libvirt-daemon-system makes: to have it, no daemon is needed
if [ "$(id -u)" = 0 ] && ! getent passwd libvirt-qemu >/dev/null; then
    echo "Making the system user libvirt-qemu"
    getent group libvirt-qemu >/dev/null || groupadd --system libvirt-qemu
    useradd --system --gid libvirt-qemu --home-dir /var/lib/libvirt --no-create-home --shell /usr/sbin/nologin libvirt-qemu
fi

[ "$purpose" = test ] && target=".[test]" || target=.
state="$(cat pyproject.toml "$0" | sha256sum | cut -d ' ' -f 1) $(/usr/bin/$python -V)"
stamp=.venv/setup-$purpose
if [ "$(cat "$stamp" 2>/dev/null)" != "$state" ] || ! [ -x .venv/bin/python ]; then
    echo "Installing vmforge into .venv: $target"
    [ -x .venv/bin/python ] || /usr/bin/$python -m venv --clear .venv
    .venv/bin/python -m pip install -q --disable-pip-version-check -e "$target"
    echo "$state" >"$stamp"
    [ "$purpose" != test ] || echo "$state" >.venv/setup-run
fi
