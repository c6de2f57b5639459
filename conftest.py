"""Only what pytest must know before it collects: scenarios are run by `pytest --rehearse`, not by the tests."""

pytest_plugins = ["pytester"]
