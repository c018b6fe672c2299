base:
  '*': [greeting]
