"""Many clients at once: no answer is wrong and none is lost."""

import collections
import concurrent.futures

import numpy as np

from tests.training.tryout.clients import Grpc, Rest
from tests.training.tryout.toy_export import BINS

CLIENTS, REQUESTS = 8, 2000


def inputs(signature, random):
    """Inputs of one to three rows."""
    rows = random.integers(1, 4)
    made = {}
    if "log_prob" in signature:
        made["images"] = random.integers(0, BINS, (rows, 8, 8, 1)).astype(np.uint8)
    if "seed" in signature or "sample" in signature:
        made["seed"] = random.integers(-(2**31), 2**31, (rows, 2)).astype(np.int32)
    if "temperature" in signature:
        made["temperature"] = random.uniform(0, 1, rows).astype(np.float32)
    return made


def test_two_thousand_mixed_requests_of_eight_clients_are_all_answered_rightly(server, session):
    signatures = [
        "log_prob", "event_log_prob", "log_prob_with_seed", "sample", "sample_with_temperature",
    ]  # fmt: skip

    def ask(client):
        random = np.random.default_rng(client)
        rest, over_grpc = Rest(server.rest_address), Grpc(server.grpc_address)
        answers = []
        for number in range(REQUESTS // CLIENTS):
            signature = signatures[random.integers(len(signatures))]
            sent = inputs(signature, random)
            protocol = rest if (number + client) % 2 else over_grpc
            answers.append((signature, sent, protocol.outputs(signature, **sent)))
        over_grpc.channel.close()
        return answers

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        answers = [answer for part in pool.map(ask, range(CLIENTS)) for answer in part]
    assert len(answers) == REQUESTS
    asked = collections.Counter(signature for signature, *_ in answers)
    assert min(asked.values()) > 0.15 * REQUESTS
    for signature in signatures:
        # Rows are answered each by itself: the session is asked for all of a signature at once.
        sent, got = zip(*[pair for name, *pair in answers if name == signature], strict=True)
        inputs_of_all = {name: np.concatenate([rows[name] for rows in sent]) for name in sent[0]}
        expected = session.outputs(signature, **inputs_of_all)
        ends = np.cumsum([len(next(iter(rows.values()))) for rows in sent])[:-1]
        for name, value in expected.items():
            only = {""} if len(expected) == 1 else set()
            for answer, rows in zip(got, np.split(value, ends), strict=True):
                assert answer.keys() in (expected.keys(), only)
                found = answer[name] if name in answer else answer[""]
                np.testing.assert_allclose(found, rows, rtol=1e-5, err_msg=signature)
