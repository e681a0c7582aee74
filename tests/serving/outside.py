"""Asks exported models in a process that knows neither TFP nor this package.

python outside.py FOLDER SIGNATURES...

In the folder, `models.json` names versions and `NAME.npz` holds requests to each; this writes
`NAME_answers.npz`, and what saved_model_cli says of the first of them and of these signatures.
"""

import contextlib
import io
import json
import os
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import flags
from tensorflow.python.tools import saved_model_cli


def ask_all(version, requests, optimized):
    """All signatures at once, in one session: all rows, then the first row alone, and so on."""
    answers, config = {}, tf.compat.v1.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = not optimized
    with tf.compat.v1.Session(graph=tf.Graph(), config=config) as session:
        loaded = tf.compat.v1.saved_model.loader.load(session, ["serve"], version)
        outputs, placeholders = {}, {}
        for path in requests:
            name, given = path.split("/")
            definition = loaded.signature_def[name]
            placeholders[path] = definition.inputs[given].name
            for wanted, info in definition.outputs.items():
                outputs[f"{name}/{wanted}"] = info.name

        def ask(rows):
            return session.run(outputs, {placeholders[k]: v[rows] for k, v in requests.items()})

        count = len(next(iter(requests.values())))
        answers |= {f"together/{name}": value for name, value in ask(slice(None)).items()}
        alone = [ask(slice(row, row + 1)) for row in range(count)]
        for name in outputs:
            answers[f"alone/{name}"] = np.concatenate([answer[name] for answer in alone])
    return answers


def command_line(*arguments):
    """Runs saved_model_cli in this process; returns what it prints."""
    sys.argv = ["saved_model_cli", *arguments]
    flags.FLAGS.unparse_flags()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        saved_model_cli.main()
    return printed.getvalue()


def run_each(version, names, requests, folder):
    """Runs signatures by saved_model_cli, on files; returns the answers."""
    answers = {}
    for name in names:
        inputs = []
        for path, value in requests.items():
            if path.startswith(f"{name}/"):
                # Only texts of one length can be in a file; none of a PNG's ends is a zero.
                value = value.astype("S") if value.dtype == object else value
                file = folder / path.replace("/", "-")
                np.save(f"{file}.npy", value)
                inputs.append(f"{path.split('/')[1]}={file}.npy")
        command_line(
            "run", "--dir", version, "--tag_set", "serve", "--signature_def", name,
            "--inputs", ";".join(inputs), "--outdir", str(folder / name), "--overwrite",
        )  # fmt: skip
        for file in (folder / name).glob("*.npy"):
            answers[f"command/{name}/{file.stem}"] = np.load(file)
    return answers


def main():
    folder, names = Path(sys.argv[1]), sys.argv[2:]
    models = json.loads((folder / "models.json").read_text())
    for position, (name, version) in enumerate(models.items()):
        with np.load(folder / f"{name}.npz", allow_pickle=True) as file:
            requests = dict(file)
        # Optimizing a graph takes longer than all the rest: of one is enough.
        answers = ask_all(version, requests, optimized=position == 0)
        if position == 0:
            said = {
                "show": command_line("show", "--dir", version, "--all"),
                "scan": command_line("scan", "--dir", version),
            }
            (folder / "said.json").write_text(json.dumps(said))
            answers |= run_each(version, names, requests, folder)
        np.savez(folder / f"{name}_answers.npz", **answers)
    # TensorFlow imports Keras by itself.
    foreign = {"tensorflow_probability", "tf_keras", "tfp_lcma"} & set(sys.modules)
    (folder / "foreign.json").write_text(json.dumps(sorted(foreign)))


if __name__ == "__main__":
    os.environ.pop("PYTHONPATH", None)
    main()
