"""Live layers: which steps of a build are kept as frozen machines, and from which one it begins."""
