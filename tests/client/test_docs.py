"""The lists in docs/client.md are those of the client."""

import ast
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
SOURCE = (ROOT / "assets" / "bootstrap").read_text(encoding="utf-8")
CLIENT = ast.parse(SOURCE)


def rows(heading):
    """The cells of each row of the first table under a heading."""
    _, section = PAGE.split(f"\n{heading}\n", 1)
    table = re.search(r"(?m)^\|.*\n\|[-:| ]+\|\n((?:\|.*\n)+)", section).group(1)
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines()]


def constants():
    """The constants of the client that are literals, by name."""
    found = {}
    for statement in CLIENT.body:
        if isinstance(statement, ast.Assign):
            target, value = statement.targets[0], statement.value
            pairs = [(target, value)]
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                pairs = zip(target.elts, value.elts)
            found.update((name.id, number.value) for name, number in pairs
                         if isinstance(number, ast.Constant))
    return found


class ClientPage(unittest.TestCase):
    def test_lists_the_waits_of_the_client(self):
        known = constants()
        listed = {name.strip("`"): int(seconds)
                  for _, seconds, name in rows("## Waits and retries")}
        self.assertGreater(len(listed), 5)
        self.assertEqual(listed, {name: known.get(name) for name in listed})
        budgets = {name for name in known if name.endswith(("_BUDGET", "_WAIT"))}
        self.assertEqual(budgets - set(listed), set())

    def test_lists_what_actions_can_call(self):
        node, = (statement for statement in CLIENT.body
                 if isinstance(statement, ast.ClassDef) and statement.name == "Node")
        methods = {method.name for method in node.body
                   if isinstance(method, ast.FunctionDef) and not method.name.startswith("_")}
        listed = {name for methods, _ in rows("## Actions")
                  for name in re.findall(r"(\w+)\(", methods)}
        self.assertEqual(listed, methods)

    def test_lists_the_variables_of_the_environment(self):
        read = set(re.findall(r'os\.environ\.get\("(\w+)", (?:str\()?"(.*?)"', SOURCE))
        _, section = PAGE.split("\n| variable |", 1)
        listed = set(re.findall(r"(?m)^\| `(\w+)` \| `(.*?)` \|", section))
        self.assertEqual(listed, read)


if __name__ == "__main__":
    unittest.main()
