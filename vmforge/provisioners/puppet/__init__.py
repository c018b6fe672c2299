"""The provisioners that run Puppet in the guest: `puppet-masterless` and `puppet-server`."""
