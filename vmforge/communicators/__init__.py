"""The ways to reach a guest: SSH, or none at all; the keys for it, and what a wait for a guest sees."""
