"""Documents that are executed are read by different processes: neighbours are read by one."""


def _spread(app, env, docnames):
    executed = [name for name in docnames if env.doc2path(name).suffix == ".py"]
    others = [name for name in docnames if name not in executed]
    if executed:
        groups = [[name, *others[i :: len(executed)]] for i, name in enumerate(executed)]
        docnames[:] = [name for group in groups for name in group]


def setup(app):
    """Sphinx lets an event choose the order of reading."""
    app.connect("env-before-read-docs", _spread)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
