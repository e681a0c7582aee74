"""The examples of docstrings run, and come to what their comments say; `make docs` asks."""

import ast
import re

import pytest

from tests.site.reference import docstring, documented


def run(code):
    """Runs an example; the comment behind an expression is its value's representation."""
    lines, names = code.splitlines(), {"__name__": "example"}
    for statement in ast.parse(code).body:
        if not isinstance(statement, ast.Expr):
            exec(compile(ast.Module([statement], []), "example", "exec"), names)
            continue
        value = eval(compile(ast.Expression(statement.value), "example", "eval"), names)
        rest = lines[statement.end_lineno - 1][statement.end_col_offset :].strip()
        if rest:
            assert rest == f"# {value!r}"


@pytest.mark.parametrize("name", documented())
@pytest.mark.slow
def test_the_example_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for code in re.findall(r"```python\n(.*?)```", docstring(documented()[name]), re.DOTALL):
        run(code)


def test_a_comment_that_is_not_the_value_fails():
    run("1 + 1  # 2")
    with pytest.raises(AssertionError):
        run("1 + 1  # 3")
