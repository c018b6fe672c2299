"""Reads legacy JSON templates into the same model that HCL2 templates come to.

`detection` says which templates these are, `loader` reads them; it is imported only for one.
"""
