"""The provisioners that run Chef in the guest: `chef-solo` and `chef-client`."""
