"""Run by testinfra on this machine, against the guest."""


def test_a_package(host):
    assert host.package("puppet-agent").is_installed


def test_a_file_of_ansible(host):
    with host.sudo():
        assert host.file("/var/made/ansible-direct").content_string.startswith("from ansible, direct")


def test_a_service(host):
    with host.sudo():
        assert host.service("ssh").is_running
