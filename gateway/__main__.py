"""`python -m gateway` is `andon`."""

from gateway.cli import main

main()
