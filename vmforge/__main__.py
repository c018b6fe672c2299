"""`python -m vmforge`: the command without its script."""

from vmforge.cli import main

main()
