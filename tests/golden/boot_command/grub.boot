c<wait500ms>linux /k "a&b"<enter><wait1m30s>boot<ENTER>
