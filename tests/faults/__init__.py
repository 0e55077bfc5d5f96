"""What breaks things: brokers that go, kills, full disks, floods. Parts for tests, no tests."""
