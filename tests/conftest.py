"""What all tests share."""

from hypothesis import settings

# First calls load libraries and other work shares the machine: no time limit for one example.
settings.register_profile("dsample", deadline=None)
settings.load_profile("dsample")
