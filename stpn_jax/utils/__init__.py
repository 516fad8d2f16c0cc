"""What every floor may use: errors, files, locks, strict parsing."""
