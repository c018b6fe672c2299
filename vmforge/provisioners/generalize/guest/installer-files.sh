# Answer files and logs that installers leave: there are passwords in them.
remove "$root"/root/*-ks.cfg "$root"/root/ks-*.log "$root"/root/install.log* "$root"/root/autoinst.xml \
    "$root"/var/log/anaconda "$root"/var/log/installer "$root"/var/adm/autoinstall/*
what="files of the installer"
