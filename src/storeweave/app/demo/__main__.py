"""``python -m storeweave.app.demo``."""

import sys

from storeweave.app.demo.run import main

sys.exit(main())
