"""What is measured: one module each, with a class `Loopback` and, where it can be, a class `InProcess`."""
