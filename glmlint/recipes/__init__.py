"""One file per trainer: how it turns a sample into token ids and labels."""
