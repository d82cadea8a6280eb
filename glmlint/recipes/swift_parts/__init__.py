"""What ms-swift does to a row, in steps: read it, write calls and tools, make rounds, weigh them."""
