"""The options of everything that works in AWS, named as in Packer's plugin, and what values alone tell of
them."""
