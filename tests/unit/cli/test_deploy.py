"""Deployable code: the same files give the same archive; what sam is told."""

import io
import zipfile

import pytest
from samcli.cli.types import CfnParameterOverridesType

from silvaengine_cli.deploy import override, zip_files


def test_same_files_give_the_same_archive() -> None:
    """Neither the order of the files nor the time changes an archive; their content does."""
    first = zip_files({"b/c.py": b"2", "a.py": b"1"})
    assert first == zip_files({"a.py": b"1", "b/c.py": b"2"})
    assert first != zip_files({"a.py": b"1", "b/c.py": b"3"})


def test_archive_holds_the_files() -> None:
    """Each file is there under its name, readable for the Lambda's user."""
    with zipfile.ZipFile(io.BytesIO(zip_files({"b/c.py": b"2"}))) as archive:
        (entry,) = archive.infolist()
        assert (entry.filename, archive.read(entry), entry.external_attr >> 16) == ("b/c.py", b"2", 0o100644)


@pytest.mark.parametrize("value", ["", " ", 'a"b', "it's", "a=cron(0 3;4 * * ? *),b=rate(1 hour)", "a\nb"])
def test_a_parameters_value_reaches_sam_as_it_is(value: str) -> None:
    """Whatever is in it: sam ends a value at a space or a quote."""
    given = {"First": value, "Second": "z"}
    assert CfnParameterOverridesType().convert(tuple(override(given)[1:]), None, None) == given
