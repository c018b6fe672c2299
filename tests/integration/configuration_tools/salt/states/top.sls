base:
  'role:web':
    - match: grain
    - greeting
    - motd
