"""A machine's screen and keyboard: boot commands typed, screens seen, over VNC."""
