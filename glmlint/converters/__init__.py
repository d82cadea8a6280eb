"""Foreign formats: one file each, to GLM messages and back."""
