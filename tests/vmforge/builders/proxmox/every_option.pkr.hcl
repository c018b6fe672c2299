# Every option of both builders but the communicator's and those that all builders share.

source "proxmox-iso" "all" {
  proxmox_url              = "https://pve.example:8006/api2/json"
  insecure_skip_tls_verify = false
  username                 = "root@pam!packer"
  password                 = "unused"
  token                    = "right"
  node                     = "pve"
  task_timeout             = "5m"
  pool                     = "images"
  vm_name                  = "debian-build"
  vm_id                    = 321
  tags                     = "debian;template"
  boot                     = "order=scsi0;ide2"
  memory                   = 4096
  ballooning_minimum       = 1024
  cores                    = 2
  sockets                  = 2
  cpu_type                 = "host"
  numa                     = true
  os                       = "l26"
  bios                     = "ovmf"
  machine                  = "q35"
  scsi_controller          = "virtio-scsi-single"
  onboot                   = true
  disable_kvm              = true
  vm_interface             = "eth0"
  qemu_additional_args     = "-no-hpet"
  qemu_agent               = true
  serials                  = ["socket", "/dev/ttyS1"]
  template_name            = "debian"
  template_description     = "made of everything"
  skip_convert_to_template = false
  cloud_init               = true
  cloud_init_storage_pool  = "local"
  cloud_init_disk_type     = "scsi"
  cd_storage_pool          = "local"
  cd_content               = { "meta-data" = "" }
  ssh_username             = "root"

  efi_config {
    efi_storage_pool  = "local-lvm"
    efi_format        = "raw"
    pre_enrolled_keys = true
    efi_type          = "4m"
  }
  tpm_config {
    tpm_storage_pool = "local-lvm"
    tpm_version      = "v2.0"
  }
  rng0 {
    source    = "/dev/urandom"
    max_bytes = 1024
    period    = 1000
  }
  vga {
    type   = "qxl"
    memory = 32
  }
  qemu_guest_agent {
    enabled        = true
    type           = "virtio"
    disable_freeze = true
    fstrim         = true
  }
  network_adapters {
    model         = "virtio"
    bridge        = "vmbr0"
    packet_queues = 2
    mac_address   = "repeatable"
    mtu           = 1400
    vlan_tag      = "12"
    firewall      = true
  }
  network_adapters {
    mac_address = "02:00:00:00:00:01"
  }
  disks {
    type                = "scsi"
    storage_pool        = "local-lvm"
    storage_pool_type   = "lvm"
    disk_size           = "20480M"
    cache_mode          = "writeback"
    format              = "raw"
    io_thread           = true
    asyncio             = "native"
    exclude_from_backup = true
    discard             = true
    ssd                 = true
  }
  disks {
    type         = "virtio"
    storage_pool = "local-lvm"
    disk_size    = 1
  }
  pci_devices {
    host          = "0000:01:00.0"
    device_id     = "0x1000"
    vendor_id     = "0x10de"
    sub_device_id = "0x1001"
    sub_vendor_id = "0x10df"
    hide_rombar   = true
    romfile       = "card.rom"
    legacy_igd    = true
    pcie          = true
    mdev          = "nvidia-63"
    x_vga         = true
  }
  pci_devices {
    mapping = "card"
    rombar  = true
  }
  boot_iso {
    type              = "ide"
    index             = 0
    iso_file          = "local:iso/debian.iso"
    iso_storage_pool  = "local"
    unmount           = true
    keep_cdrom_device = true
  }
  additional_iso_files {
    device           = "sata3"
    iso_url          = "https://example.com/drivers.iso"
    iso_checksum     = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    iso_storage_pool = "local"
    iso_download_pve = true
    unmount          = true
  }
}

source "proxmox-iso" "older" {
  username          = "root@pam"
  password          = "right"
  node              = "pve"
  iso_file          = "local:iso/debian.iso"
  iso_device        = "sata0"
  iso_storage_pool  = "local"
  iso_download_pve  = false
  unmount_iso       = true
  keep_cdrom_device = false
  efidisk           = "local-lvm"
  bios              = "ovmf"
  ssh_username      = "root"
}

source "proxmox-clone" "all" {
  proxmox_url         = "https://pve.example:8006/api2/json"
  username            = "root@pam"
  password            = "right"
  node                = "pve"
  clone_vm            = "debian"
  full_clone          = true
  target_storage_pool = "local-lvm"
  nameserver          = "192.0.2.1"
  searchdomain        = "example.com"
  ssh_username        = "root"
  ipconfig {
    ip       = "192.0.2.10/24"
    gateway  = "192.0.2.1"
    ip6      = "2001:db8::10/64"
    gateway6 = "2001:db8::1"
  }
  disks {
    storage_pool = "local-lvm"
    disk_size    = "5G"
  }
}

source "proxmox-clone" "by-number" {
  proxmox_url  = "https://pve.example:8006/api2/json"
  username     = "root@pam"
  password     = "right"
  node         = "pve"
  clone_vm_id  = 900
  full_clone   = false
  ssh_username = "root"
}

build {
  sources = ["proxmox-iso.all", "proxmox-iso.older", "proxmox-clone.all", "proxmox-clone.by-number"]
}
