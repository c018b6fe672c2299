"""What changes a running machine after its installation, or runs beside it: scripts, commands, files."""
