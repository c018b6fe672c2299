"""Microsoft Azure: images out of virtual machines, and secrets out of key vaults."""
