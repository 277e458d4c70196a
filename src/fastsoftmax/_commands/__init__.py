"""The commands of ``python -m fastsoftmax``: each module has `add_arguments` and `run`."""
