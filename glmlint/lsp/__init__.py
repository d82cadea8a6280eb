"""`glmlint lsp`: findings, fixes and tokens in an editor, by the Language Server Protocol."""
