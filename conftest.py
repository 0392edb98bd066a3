"""What holds for all tests of the repository."""

from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is, and is no property of the code.
settings.register_profile("gwcore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gwcore")
