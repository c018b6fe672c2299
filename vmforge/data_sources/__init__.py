"""What templates read before anything is built: web pages, and values that are handed on."""
