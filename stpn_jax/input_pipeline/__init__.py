"""From records to batches: sampling positions, augmentation, snippets, batches."""
