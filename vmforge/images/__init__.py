"""What finished disks become: images of other formats, appliances and archives, all streamed."""
