"""Which processes train together: what a launcher says in the environment variable TF_CONFIG."""

import json
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

# Over one device, over those of this machine, or over several processes.
STRATEGIES = ("none", "mirrored", "multi-worker")
_EXAMPLE = (
    """TF_CONFIG='{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, """
    """"task": {"type": "worker", "index": 0}}'"""
)
_ADDRESS = re.compile(r".+:\d+")


class Cluster(NamedTuple):
    """The processes, the chief first, and which of them this one is.

    Attributes:
        jobs: addresses "host:port" by job, `chief` (if there is one) before `worker`.
        job: of this process.
        task: which of its job it is.
    """

    jobs: dict[str, list[str]]
    job: str
    task: int

    @property
    def addresses(self) -> list[str]:
        """Of all processes; the chief's is the first."""
        return [address for addresses in self.jobs.values() for address in addresses]

    @property
    def number(self) -> int:
        """Which of `addresses` this process is."""
        return self.task + (0 if self.job == next(iter(self.jobs)) else len(self.jobs["chief"]))

    @property
    def leader(self) -> str:
        """The chief as TensorFlow names it."""
        return f"/job:{next(iter(self.jobs))}/replica:0/task:0"


def given_cluster(environment: Mapping[str, str] = os.environ) -> Cluster:
    """Returns the cluster that `TF_CONFIG` describes.

    Raises:
        ValueError: there is none, or it is not one of workers with at most one chief.
    """
    text = environment.get("TF_CONFIG")
    if not text:
        raise ValueError(
            "--strategy multi-worker needs the environment variable TF_CONFIG, which says where "
            f"every worker is and which of them this one is, like {_EXAMPLE}; it is not set."
        )
    try:
        config: Any = json.loads(text)
        cluster, task = config["cluster"], config["task"]
        jobs = {job: list(cluster[job]) for job in ("chief", "worker") if cluster.get(job)}
        # Some launchers write the number as text.
        found = Cluster(jobs, task["type"], int(task["index"]))
        addresses = [*found.addresses, *found.jobs[found.job]]
        right = all(_ADDRESS.fullmatch(address) for address in addresses)
        right &= 0 <= found.task < len(found.jobs[found.job])
        right &= len(jobs.get("chief", [])) <= 1 and set(cluster) <= {"chief", "worker"}
    except (ValueError, LookupError, TypeError, AttributeError):
        right = False
    if not right:
        raise ValueError(
            "TF_CONFIG must name workers, at most one chief, no other jobs, and which of them this "
            f"process is, like {_EXAMPLE}; got {text}"
        )
    return found
