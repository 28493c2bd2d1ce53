"""`python -m daf`, the same as the command `daf`."""

import sys

from daf.command.main import main

if __name__ == "__main__":
    sys.exit(main())
