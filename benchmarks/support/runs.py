"""A run of pytest-benchmark, read back for the reports."""

import json


def read(*paths):
    """(what and where the runs were, in words of the last; group -> peer -> entry)."""
    groups = {}
    for path in paths:
        with open(path) as file:
            run = json.load(file)
        for entry in run["benchmarks"]:
            groups.setdefault(entry["group"], {})[entry["extra_info"]["peer"]] = entry
    machine = run["machine_info"]
    threads = f"{machine['threads']} thread{'' if machine['threads'] == 1 else 's'}"
    words = (
        f"{machine['processor']}, {threads}, kernels {machine['kernels']}, "
        f"Python {machine['python_version']}, {run['datetime'][:10]}."
    )
    return words, groups
