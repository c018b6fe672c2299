class greeting(String $text) {
  file { '/var/made/puppet':
    content => "${text}, ${facts['role']}, ${facts['packer_build_name']}\n",
    mode    => '0640',
  }
}
