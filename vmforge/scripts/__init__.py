"""Scripts and programs that components run: their options and variables, and processes on this machine."""
