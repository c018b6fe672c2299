"""The provisioners `ansible`, which runs on this machine, and `ansible-local`, which runs in the guest."""
