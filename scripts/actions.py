#!/usr/bin/env python3
"""Makes docs/actions.md, the page of the stock actions, from their docstrings.

    python3 scripts/actions.py            write the page
    python3 scripts/actions.py --check    exit 1 if the page differs from what this would write

A docstring has paragraphs, `Attributes:` and `Example:`. An attribute is indented by four spaces;
what is indented by eight continues it, or is one of its values (`replace: ...`). They are the
attributes that the action reads, no more and no fewer.
"""

import argparse
import ast
import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "actions.md"
ACTIONS = ROOT / "assets" / "actions"

HEAD = """\
# The stock actions

<!-- Made by scripts/actions.py from the docstrings in assets/actions: edit those. -->

An action is a Python script with `main(attributes)` that the switch downloads and runs; a
[definition](definitions.md) names it and sets its attributes. The Worker contains the actions on
this page, and serves them unless `actions/NAME` in R2 replaces them. A URL is relative to the
server (`files/images/EOS.swi`) or absolute. A value in parentheses is the default of an attribute;
an attribute without a default that is not marked `optional` is required. To write your own
actions, see [client.md](client.md#actions).

"""


def sections(docstring):
    """The paragraphs, the attributes and the example of a docstring, as text."""
    found = re.fullmatch(r"(?s)(.*?)\nAttributes:\n(.*?)\nExample:\n\n(.*)", docstring)
    if not found:
        raise ValueError("it has no 'Attributes:' and 'Example:'")
    before, attributes, example = found.groups()
    # Paragraphs after the list of attributes are about the action again.
    listed, _, after = attributes.partition("\n\n")
    return before.strip(), listed, after.strip(), textwrap.dedent(example).strip()


def check_names(listed, source):
    """ValueError unless the attributes listed are those that the action reads."""
    documented = set(re.findall(r"(?m)^    ([\w-]+):", listed))
    read = set(re.findall(r'\battributes\.get\("(\w+)"', source)) - {"NODE"}
    if documented != read:
        raise ValueError("it lists {}, and the action reads {}".format(
            ", ".join(sorted(documented)), ", ".join(sorted(read))))


def attribute_list(listed):
    """The attributes as a Markdown list."""
    lines = []
    for line in listed.splitlines():
        entry = re.match(r"(    |        )([\w-]+): (.*)", line)
        if entry:
            indent = "  " if len(entry.group(1)) == 8 else ""
            lines.append(f"{indent}- `{entry.group(2)}`: {entry.group(3)}")
        elif line.startswith("        ") and lines:
            lines[-1] += " " + line.strip()
        else:
            raise ValueError(f"it has an attribute that cannot be read: {line!r}")
    return "\n".join(lines)


def page():
    """The text of the page."""
    text = HEAD
    for path in sorted(ACTIONS.iterdir()):
        try:
            source = path.read_text(encoding="utf-8")
            docstring = ast.get_docstring(ast.parse(source))
            before, listed, after, example = sections(docstring or "")
            check_names(listed, source)
            parts = [f"## `{path.name}`", before, attribute_list(listed), after]
        except ValueError as error:
            sys.exit(f"actions.py: the docstring of {path.relative_to(ROOT)}: {error}")
        parts.append(f"```yaml\n{example}\n```")
        text += "\n\n".join(part for part in parts if part) + "\n\n"
    return text.rstrip("\n") + "\n"


def main():
    parser = argparse.ArgumentParser(description="Make docs/actions.md from docstrings.")
    parser.add_argument("--check", action="store_true", help="only compare")
    options = parser.parse_args()
    text = page()
    if not options.check:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        sys.exit(f"{PAGE.relative_to(ROOT)} is out of date: run python3 scripts/actions.py")


if __name__ == "__main__":
    main()
