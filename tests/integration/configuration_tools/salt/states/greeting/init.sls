/var/made/salt:
  file.managed:
    - contents: {{ pillar['greeting'] }}, {{ grains['role'] }}
    - mode: '0640'
