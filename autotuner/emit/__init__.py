"""The winner as code a person can read and commit: nothing in it needs this package."""
