"""Ways to run `check_lines` over many files and cores."""
