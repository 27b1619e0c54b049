"""``python -m onehook``."""

from onehook.cli.main import main

main()
