# Every option of both builders but the communicator's and those that all builders share.

source "vsphere-iso" "all" {
  vcenter_server                 = "vcenter.example"
  username                       = "administrator@vsphere.local"
  password                       = "secret"
  insecure_connection            = false
  datacenter                     = "DC0"
  folder                         = "images"
  cluster                        = "DC0_C0"
  host                           = "DC0_C0_H0"
  resource_pool                  = "images"
  datastore                      = "LocalDS_0"
  datastore_cluster              = ""
  set_host_for_datastore_uploads = false
  vm_name                        = "debian"
  vm_version                     = 13
  guest_os_type                  = "debian10_64Guest"
  notes                          = "made of everything"
  boot_order                     = "disk,cdrom,ethernet,floppy"
  http_ip                        = "192.0.2.7"
  CPUs                           = 4
  cpu_cores                      = 2
  CPU_reservation                = 1000
  CPU_limit                      = 2000
  CPU_hot_plug                   = true
  RAM                            = 4096
  RAM_reservation                = 1024
  RAM_reserve_all                = false
  RAM_hot_plug                   = true
  video_ram                      = 8192
  displays                       = 2
  vgpu_profile                   = "grid_m10-8q"
  NestedHV                       = true
  firmware                       = "efi-secure"
  force_bios_setup               = true
  vTPM                           = true
  precision_clock                = "ntp"
  vbs_enabled                    = true
  vvtd_enabled                   = true
  tools_sync_time                = true
  tools_upgrade_policy           = true
  configuration_parameters       = { "disk.EnableUUID" = "TRUE" }
  disk_controller_type           = ["pvscsi", "nvme", "lsilogic-sas", "sata"]
  usb_controller                 = ["usb", "xhci"]
  cdrom_type                     = "sata"
  iso_paths                      = ["[LocalDS_0] iso/debian.iso"]
  floppy_img_path                = "[LocalDS_0] floppies/answers.flp"
  remove_cdrom                   = true
  reattach_cdroms                = 1
  remove_network_adapter         = true
  ip_wait_timeout                = "20m"
  ip_settle_timeout              = "10s"
  ip_wait_address                = "192.0.2.0/24"
  create_snapshot                = true
  snapshot_name                  = "base"
  convert_to_template            = false
  destroy                        = false
  local_cache_overwrite          = true
  remote_cache_cleanup           = true
  remote_cache_overwrite         = true
  remote_cache_datastore         = "LocalDS_0"
  remote_cache_path              = "uploads"
  ssh_username                   = "root"

  pci_passthrough_allowed_device {
    vendor_id     = "8086"
    device_id     = "100f"
    sub_vendor_id = "8086"
    sub_device_id = "1001"
  }
  storage {
    disk_size             = 20480
    disk_thin_provisioned = true
    disk_controller_index = 0
  }
  storage {
    disk_size             = "10G"
    disk_eagerly_scrub    = true
    disk_controller_index = 1
  }
  network_adapters {
    network      = "VM Network"
    network_card = "vmxnet3"
    mac_address  = "00:50:56:00:00:01"
    passthrough  = true
  }
  export {
    name                 = "debian"
    force                = true
    images               = false
    image_files          = true
    manifest             = "sha512"
    options              = ["mac", "uuid", "extraconfig", "nodevicesubtypes"]
    output_directory     = "exported"
    directory_permission = "0755"
  }
  content_library_destination {
    library       = "images"
    name          = "debian-template"
    description   = "of the build"
    cluster       = ""
    folder        = "images"
    host          = ""
    resource_pool = ""
    datastore     = ""
    destroy       = false
    ovf           = false
    ovf_flags     = ["PRESERVE_MAC"]
    skip_import   = false
  }
}

source "vsphere-clone" "linux" {
  vcenter_server = "vcenter.example"
  username       = "admin"
  password       = "secret"
  cluster        = "DC0_C0"
  template       = "images/debian"
  linked_clone   = true
  network        = "VM Network"
  mac_address    = "00:50:56:00:00:02"
  ssh_username   = "root"
  vapp {
    properties        = { "hostname" = "clone" }
    deployment_option = "small"
  }
  customize {
    linux_options {
      domain       = "example.com"
      host_name    = "clone"
      hw_clock_utc = false
      time_zone    = "Europe/Berlin"
      script_text  = "#!/bin/sh"
    }
    network_interface {
      ipv4_address = "192.0.2.10"
      ipv4_netmask = 24
      ipv6_address = "2001:db8::10"
      ipv6_netmask = 64
    }
    network_interface {}
    ipv4_gateway    = "192.0.2.1"
    ipv6_gateway    = "2001:db8::1"
    dns_server_list = ["192.0.2.1"]
    dns_suffix_list = ["example.com"]
  }
}

source "vsphere-clone" "windows" {
  vcenter_server = "vcenter.example"
  username       = "admin"
  password       = "secret"
  cluster        = "DC0_C0"
  disk_size      = 65536
  communicator   = "winrm"
  winrm_username = "administrator"
  remote_source {
    url             = "https://example.com/windows.ova"
    username        = "me"
    password        = "mine"
    skip_tls_verify = false
  }
  customize {
    windows_options {
      run_once_command_list = ["cmd.exe /c dir"]
      auto_logon            = true
      auto_logon_count      = 2
      admin_password        = "secret"
      time_zone             = 110
      domain_admin_user     = "admin@example.com"
      domain_admin_password = "secret"
      join_domain           = "example.com"
      computer_name         = "windows"
      full_name             = "Someone"
      organization_name     = "Some"
      product_key           = "00000"
    }
    network_interface {
      dns_server_list = ["192.0.2.1"]
      dns_domain      = "example.com"
    }
  }
}

source "vsphere-clone" "sysprep" {
  vcenter_server = "vcenter.example"
  username       = "admin"
  password       = "secret"
  cluster        = "DC0_C0"
  template       = "windows"
  communicator   = "none"
  customize {
    windows_sysprep_text = "<unattend/>"
    network_interface {}
  }
}

build {
  sources = ["vsphere-iso.all", "vsphere-clone.linux", "vsphere-clone.windows", "vsphere-clone.sysprep"]
}
