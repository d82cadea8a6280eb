"""The same rows under several trainers: what each teaches."""
