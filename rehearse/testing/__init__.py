"""For authors of plug-ins and of tests: conformance suites, and recordings made by hand."""
