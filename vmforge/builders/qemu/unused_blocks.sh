# Run in the guest as root, with `discard` or `zero`: gives back the blocks of every file system that no file uses.
# Ends with 0 when that was done for one file system at least.
set -u
PATH=$PATH:/usr/sbin:/sbin
method=$1 seen=' ' status=1
[ -r /proc/mounts ] || { echo "only Linux is known to do this" >&2; exit 1; }
[ "$method" != discard ] || command -v fstrim >/dev/null || { echo "there is no fstrim" >&2; exit 1; }

# the blocks of a file that was just deleted are free once the file system has written that down
sync
while read -r device point type options _; do
    case $type in
        ext2 | ext3 | ext4 | xfs | btrfs | f2fs | jfs | vfat) ;;
        *) continue ;;
    esac
    case $options in ro | ro,*) continue ;; esac
    case $seen in *" $device "*) continue ;; esac
    seen="$seen$device "
    point=$(printf '%b' "$point") # blanks are written as \040
    if [ "$method" = discard ]; then
        fstrim "$point" && status=0
        # with something to write, `sync` flushes the disk: QEMU then notes in the image what was freed
        true >"$point/.vmforge-flush" && rm -f "$point/.vmforge-flush"
    else
        zeros=$point/.vmforge-zeros
        trap 'rm -f "$zeros"' EXIT
        dd if=/dev/zero of="$zeros" bs=1048576 2>/dev/null # until the file system is full
        sync
        rm -f "$zeros" && status=0
    fi
done </proc/mounts
sync
exit $status
