"""What breaks things: brokers that go, kills, full disks, floods. Parts for tests, no tests."""

import os

#: How much longer than usual things may take: an emulated processor is slow.
PATIENCE = float(os.environ.get("WINDROW_PATIENCE", "1"))
