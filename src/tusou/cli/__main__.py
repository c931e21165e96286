"""`python -m tusou.cli`."""

from tusou.cli import main

main()
