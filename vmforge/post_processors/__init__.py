"""Post-processors: what makes an artifact from an artifact once the machine is off."""
