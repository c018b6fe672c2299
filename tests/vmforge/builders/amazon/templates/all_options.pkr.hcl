# Every option of every builder for AWS.
source "amazon-ebs" "everything" {
  region                        = "us-east-1"
  access_key                    = "AKIAEXAMPLE"
  secret_key                    = "a-secret-key"
  token                         = "a-session-token"
  profile                       = "images"
  shared_credentials_file       = "credentials"
  mfa_code                      = "123456"
  custom_endpoint_ec2           = "https://ec2.example.com"
  insecure_skip_tls_verify      = true
  max_retries                   = 3
  decode_authorization_messages = true
  skip_credential_validation    = true
  skip_metadata_api_check       = true
  skip_region_validation        = true
  aws_polling {
    delay_seconds = 2
    max_attempts  = 30
  }
  assume_role {
    role_arn            = "arn:aws:iam::123456789012:role/images"
    session_name        = "images"
    external_id         = "external"
    policy              = "{}"
    policy_arns         = ["arn:aws:iam::aws:policy/ReadOnlyAccess"]
    duration_seconds    = 900
    tags                = { team = "images" }
    transitive_tag_keys = ["team"]
  }

  source_ami_filter {
    filters = { name = "linux-*" }
    filter {
      name  = "architecture"
      value = "x86_64"
    }
    owners             = ["self"]
    most_recent        = true
    include_deprecated = true
  }
  instance_type            = "t3.micro"
  ebs_optimized            = true
  enable_nitro_enclave     = true
  enable_unlimited_credits = true
  no_ephemeral             = true
  launch_block_device_mappings {
    device_name           = "/dev/sda1"
    volume_size           = 40
    volume_type           = "gp3"
    iops                  = 3000
    throughput            = 125
    encrypted             = true
    kms_key_id            = "alias/disk"
    delete_on_termination = true
  }
  launch_block_device_mappings {
    device_name = "/dev/sdb"
    snapshot_id = "snap-1"
  }
  launch_block_device_mappings {
    device_name  = "/dev/sdc"
    virtual_name = "ephemeral0"
  }
  launch_block_device_mappings {
    device_name = "/dev/sdd"
    no_device   = true
  }
  iam_instance_profile    = "images"
  skip_profile_validation = true
  user_data               = "#cloud-config"
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 2
    instance_metadata_tags      = "enabled"
  }
  shutdown_behavior     = "terminate"
  disable_stop_instance = true
  license_specifications {
    license_configuration_request {
      license_configuration_arn = "arn:aws:license-manager:x"
    }
  }
  availability_zone = "us-east-1a"
  placement {
    host_resource_group_arn = "arn:aws:resource-groups:x"
    host_id                 = "h-1"
    tenancy                 = "host"
  }
  tenancy                        = "host"
  capacity_reservation_group_arn = "arn:aws:resource-groups:y"
  vpc_id                         = "vpc-1"
  vpc_filter {
    filters = { "tag:Class" = "build" }
  }
  subnet_filter {
    filters   = { "tag:Class" = "build" }
    most_free = true
    random    = true
  }
  associate_public_ip_address = true
  security_group_filter {
    filters = { "tag:Class" = "build" }
  }
  temporary_security_group_source_cidrs     = ["10.0.0.0/8"]
  temporary_security_group_source_public_ip = true
  run_tags                                  = { Name = "{{ .SourceAMIName }}", team = "images" }
  run_tag {
    key   = "stage"
    value = "build"
  }
  run_volume_tags = { volume = "yes" }
  run_volume_tag {
    key   = "stage"
    value = "{{ .BuildRegion }}"
  }
  ssh_username             = "root"
  ssh_interface            = "session_manager"
  pause_before_ssm         = "1s"
  session_manager_port     = 2222
  windows_password_timeout = "10m"

  ami_name                = "everything"
  ami_description         = "made of {{ .SourceAMI }}"
  ami_virtualization_type = "hvm"
  ami_block_device_mappings {
    device_name = "/dev/sde"
    volume_size = 1
  }
  ami_users              = ["111111111111"]
  ami_groups             = ["all"]
  ami_org_arns           = ["arn:aws:organizations::1:organization/o-1"]
  ami_ou_arns            = ["arn:aws:organizations::1:ou/o-1/ou-1"]
  ami_product_codes      = ["code"]
  ami_regions            = ["eu-west-1", "eu-central-1"]
  skip_save_build_region = true
  tags                   = { owner = "{{ .SourceAMIOwner }} {{ .SourceAMITags.team }}" }
  tag {
    key   = "base"
    value = "{{ .SourceAMI }}"
  }
  skip_ami_run_tags = false
  snapshot_tags     = { kind = "root" }
  snapshot_tag {
    key   = "stage"
    value = "build"
  }
  snapshot_users        = ["111111111111"]
  snapshot_groups       = ["all"]
  encrypt_boot          = true
  kms_key_id            = "alias/images"
  region_kms_key_ids    = { eu-west-1 = "alias/there" }
  ena_support           = true
  sriov_support         = true
  boot_mode             = "uefi"
  uefi_data             = "QU1aTlVFRkk="
  tpm_support           = "v2.0"
  imds_support          = "v2.0"
  force_deregister      = true
  force_delete_snapshot = true
  deprecate_at          = "2035-01-31T12:00:00Z"
  deregistration_protection {
    enabled       = true
    with_cooldown = true
  }
  fast_launch {
    enable_fast_launch    = true
    template_id           = "lt-1"
    template_version      = 2
    max_parallel_launches = 8
    target_resource_count = 3
    region_launch_templates {
      region             = "eu-west-1"
      enable_fast_launch = false
    }
    region_launch_templates {
      region           = "eu-central-1"
      template_name    = "there"
      template_version = 4
    }
  }
  skip_create_ami = true
}

source "amazon-ebs" "spot" {
  source_ami                      = "ami-1"
  instance_type                   = "t3.micro"
  ssh_username                    = "root"
  ami_name                        = "spot"
  spot_price                      = "0.5"
  spot_price_auto_product         = "Linux/UNIX"
  block_duration_minutes          = 60
  capacity_reservation_preference = "open"
  spot_tags                       = { spot = "yes" }
  spot_tag {
    key   = "base"
    value = "{{ .SourceAMI }}"
  }
  assume_role_with_web_identity {
    role_arn                = "arn:aws:iam::123456789012:role/images"
    web_identity_token      = "a-token"
    web_identity_token_file = "token"
  }
}

source "amazon-ebs" "fleet" {
  source_ami               = "ami-1"
  ssh_username             = "root"
  ami_name                 = "fleet"
  spot_price               = "auto"
  spot_instance_types      = ["t3.micro", "t3a.micro"]
  spot_allocation_strategy = "capacity-optimized"
  subnet_ids               = ["subnet-1", "subnet-2"]
  security_group_ids       = ["sg-1"]
  capacity_reservation_id  = "cr-1"
  fleet_tags               = { fleet = "yes" }
  fleet_tag {
    key   = "base"
    value = "{{ .SourceAMI }}"
  }
}

source "amazon-ebssurrogate" "surrogate" {
  source_ami    = "ami-1"
  instance_type = "t3.micro"
  ssh_username  = "root"
  ami_name      = "surrogate"
  boot_mode     = "uefi-preferred"
  imds_support  = "v2.0"
  launch_block_device_mappings {
    device_name           = "/dev/sdb"
    volume_size           = 10
    delete_on_termination = true
  }
  launch_block_device_mappings {
    device_name = "/dev/sdc"
    volume_size = 2
    encrypted   = true
  }
  launch_block_device_mappings {
    device_name        = "/dev/sdd"
    volume_size        = 3
    omit_from_artifact = true
  }
  ami_root_device {
    source_device_name    = "/dev/sdb"
    device_name           = "/dev/xvda"
    volume_size           = 12
    volume_type           = "gp3"
    iops                  = 3000
    throughput            = 125
    delete_on_termination = true
  }
  ami_architecture = "arm64"
  use_create_image = false
}

source "amazon-ebsvolume" "volumes" {
  source_ami        = "ami-1"
  instance_type     = "t3.micro"
  ssh_username      = "root"
  security_group_id = "sg-1"
  subnet_id         = "subnet-1"
  ebs_volumes {
    device_name          = "/dev/sdb"
    volume_size          = 4
    tags                 = { base = "{{ .SourceAMI }}" }
    snapshot_volume      = true
    snapshot_tags        = { kind = "data" }
    snapshot_users       = ["111111111111"]
    snapshot_groups      = ["all"]
    snapshot_description = "data"
    tag {
      key   = "stage"
      value = "build"
    }
    snapshot_tag {
      key   = "stage"
      value = "build"
    }
  }
}

source "amazon-instance" "in-s3" {
  source_ami            = "ami-1"
  instance_type         = "m1.small"
  ssh_username          = "root"
  ami_name              = "in-s3"
  account_id            = "1234-5678-9012"
  s3_bucket             = "images"
  x509_cert_path        = "x509.cert"
  x509_key_path         = "x509.key"
  x509_upload_path      = "/tmp"
  bundle_destination    = "/tmp"
  bundle_prefix         = "image"
  bundle_upload_command = "upload {{ .BucketName }}"
  bundle_vol_command    = "bundle {{ .KeyPath }}"
}

source "amazon-chroot" "from-within" {
  source_ami               = "ami-1"
  ami_name                 = "from-within"
  chroot_mounts            = [["proc", "proc", "/proc"]]
  command_wrapper          = "sudo {{ .Command }}"
  copy_files               = ["/etc/resolv.conf"]
  device_path              = "/dev/xvdf"
  nvme_device_path         = "/dev/nvme1n1"
  from_scratch             = false
  mount_options            = ["noatime"]
  mount_partition          = "1"
  mount_path               = "/mnt/{{ .Device }}"
  manual_mount_command     = "mount {{ .Device }}"
  pre_mount_commands       = ["true"]
  post_mount_commands      = ["true"]
  root_device_name         = "xvda"
  root_volume_size         = 8
  root_volume_type         = "gp3"
  root_volume_tags         = { a = "b" }
  root_volume_encrypt_boot = true
  root_volume_kms_key_id   = "alias/x"
  ami_architecture         = "x86_64"
  root_volume_tag {
    key   = "c"
    value = "d"
  }
}

build {
  sources = [
    "amazon-ebs.everything",
    "amazon-ebs.spot",
    "amazon-ebs.fleet",
    "amazon-ebssurrogate.surrogate",
    "amazon-ebsvolume.volumes",
    "amazon-instance.in-s3",
    "amazon-chroot.from-within",
  ]
}
