# Older states of the accounts, with hashes of passwords that are not in use any more.
for name in passwd shadow group gshadow subuid subgid; do
    remove "$root/etc/$name-" "$root/var/backups/$name.bak"
done
remove "$root"/var/backups/master.passwd.*
what="backups of the accounts"
