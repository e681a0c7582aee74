"""Rows as workers would have left them."""

TASKS = ("log_prob", "sample", "train_step")


def measured(case, implementation, round_, seconds, **changes):
    """A row in which every call takes `seconds`, give or take a tenth."""
    return {
        "case": case,
        "implementation": implementation,
        "round": round_,
        "status": "measured",
        "others": 0.1,
        "seconds": {task: [0.9 * seconds, seconds, 1.1 * seconds] for task in TASKS},
        "first_call_seconds": dict.fromkeys(TASKS, 1.0),
        "build_seconds": 2.0,
        "peak_megabytes": 100.0,
        "parameters": 1234,
        "versions": {"numpy": "2.4.6"},
        **changes,
    }


def unmeasured(case, implementation, round_, status, why):
    return {
        "case": case,
        "implementation": implementation,
        "round": round_,
        "status": status,
        "why": why,
    }
