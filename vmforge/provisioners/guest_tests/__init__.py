"""The `test` provisioner: scripts, bats, goss and testinfra against the guest, and one report of all."""

from vmforge.provisioners.guest_tests.config import GuestTestConfig
from vmforge.provisioners.guest_tests.provisioner import GuestTestProvisioner

__all__ = ["GuestTestConfig", "GuestTestProvisioner"]
