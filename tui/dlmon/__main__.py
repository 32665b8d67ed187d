"""`python -m dlmon`."""

from dlmon.cli import main

if __name__ == "__main__":
    main()
