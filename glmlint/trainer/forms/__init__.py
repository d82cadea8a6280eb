"""Forms of rows beside GLM's own: one file a form, which trainers and `convert` share."""
