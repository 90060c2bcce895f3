import sys

from logkeep.cli import main

sys.exit(main())
