# What people typed.
while IFS=: read -r _ _ _ _ _ home _; do
    [ -n "$home" ] || continue
    for name in .bash_history .ash_history .sh_history .zsh_history .zhistory .history .ksh_history .mksh_history \
        .local/share/fish/fish_history .python_history .node_repl_history .sqlite_history .mysql_history \
        .psql_history .rediscli_history .lesshst .viminfo .wget-hsts; do
        remove "$root$home/$name"
    done
done <"$root/etc/passwd"
what="histories ($count)"
