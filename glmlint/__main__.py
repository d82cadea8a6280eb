"""`python -m glmlint`."""

from glmlint.cli import main

main()
