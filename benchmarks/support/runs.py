"""A run of pytest-benchmark, read back for the reports."""

import json


def read(path):
    """(what and where the run was, in words; group -> peer -> entry)."""
    with open(path) as file:
        run = json.load(file)
    machine = run["machine_info"]
    groups = {}
    for entry in run["benchmarks"]:
        groups.setdefault(entry["group"], {})[entry["extra_info"]["peer"]] = entry
    words = (
        f"{machine['processor']}, {machine['threads']} threads, kernels {machine['kernels']}, "
        f"Python {machine['python_version']}, {run['datetime'][:10]}."
    )
    return words, groups
