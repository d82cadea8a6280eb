"""`python -m glmlint`."""

from glmlint.app.cli import main

main()
