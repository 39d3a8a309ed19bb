"""The table of values and their JSON in the documentation."""

import json
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs/functions.md"
_SECTION = re.compile(r"^## Values as JSON\n(.*?)^## ", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| .+ \| `(.+)` \| `(.+)` \|$", re.MULTILINE)

_section = _SECTION.search(PAGE.read_text())
assert _section
FORMS = [(expression, json.loads(form)) for expression, form in _ROW.findall(_section[1])]

each_form = pytest.mark.parametrize(("expression", "form"), FORMS)
