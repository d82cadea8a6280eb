"""glmlint: see exactly what your trainer will train on, before you pay for the GPU."""

__version__ = "0.1.0"
