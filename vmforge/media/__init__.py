"""Installation media: fetched and verified, read, and made (ISO and floppy images)."""
