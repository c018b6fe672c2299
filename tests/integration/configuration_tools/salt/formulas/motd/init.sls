/etc/motd:
  file.managed:
    - contents: made of a formula
