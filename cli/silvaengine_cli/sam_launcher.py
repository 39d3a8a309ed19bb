"""Runs `sam`, by the interpreter of sam's environment, with the parser of libyaml.

For one deployment sam parses the template seven times. By PyYAML's own parser that takes as long as all else.
"""

import sys

import yaml
from samcli.cli.main import cli

yaml.SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # type: ignore[misc]

if __name__ == "__main__":
    sys.exit(cli(prog_name="sam"))
