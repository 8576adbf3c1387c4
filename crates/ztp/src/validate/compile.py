# Reads a JSON list of paths from standard input; prints a JSON list with the problem of each.
import ast
import json
import os
import stat
import sys
import warnings

warnings.simplefilter("ignore")


def names(tree):
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                yield alias.asname or alias.name
        elif isinstance(node, (ast.If, ast.Try, ast.With, ast.For, ast.While)):
            # It may not run at all; every name that it may define counts.
            for inner in ast.walk(node):
                if isinstance(inner, (ast.FunctionDef, ast.ClassDef)):
                    yield inner.name
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                yield inner.id


# The largest value of KV, in bytes.
MAX_BYTES = 25 << 20


def read(path):
    """The bytes of a regular file. It may have become a pipe since it was listed: do not block."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("this is neither a file nor a folder")
        source = file.read(MAX_BYTES + 1)
    if len(source) > MAX_BYTES:
        raise ValueError("it has more than {} bytes".format(MAX_BYTES))
    return source


def check(path):
    try:
        source = read(path)
        tree = ast.parse(source, path)
        compile(tree, path, "exec")
    except SyntaxError as error:
        return {"line": error.lineno, "column": error.offset, "problem": error.msg}
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        return {"line": None, "column": None, "problem": str(error)}
    return {"main": "main" in names(tree) or "*" in names(tree)}


print(json.dumps({
    "version": "{}.{}".format(*sys.version_info[:2]),
    "scripts": [check(path) for path in json.load(sys.stdin)],
}))
