"""The reference connector: a whole store in a dict, with faults on request. The outside world of most tests."""
