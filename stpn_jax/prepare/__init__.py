"""From videos or extracted images to records: `stpn prepare`."""
