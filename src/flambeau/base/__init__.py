"""The ground floor: errors, shapes and configuration; it knows nothing of tensors."""
