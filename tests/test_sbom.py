"""The bill of materials has what is installed, in the versions that are pinned, each file of which has its hash."""

import re

from packaging.utils import canonicalize_name

from pipelines.sbom import bill
from tests.conftest import REPOSITORY


def test_every_package_of_the_bill_is_pinned_and_everything_that_is_needed_is_in_it():
    made = bill()
    pinned = _pinned("constraints.txt")
    assert {"duckdb", "lightgbm", "mlflow", "fastapi", "psycopg", "cryptography"} <= {
        each["name"] for each in made["components"]
    }
    for each in made["components"]:
        assert each["version"] == pinned[each["name"]]
        assert each["purl"] == f"pkg:pypi/{each['name']}@{each['version']}"
    refs = {each["bom-ref"] for each in made["components"]} | {made["metadata"]["component"]["bom-ref"]}
    assert {each["ref"] for each in made["dependencies"]} == refs
    assert {other for each in made["dependencies"] for other in each["dependsOn"]} < refs


def test_all_that_make_installs_has_the_hashes_of_its_files_in_the_version_that_is_pinned():
    hashed, pinned = _pinned("hashes.txt"), _pinned("constraints.txt")
    assert {name: hashed[name] for name in hashed.keys() & pinned.keys()} == {
        name: pinned[name] for name in hashed.keys() & pinned.keys()
    }
    assert {each["name"] for each in bill()["components"]} - hashed.keys() <= {"pip"}
    text = (REPOSITORY / "hashes.txt").read_text()
    assert "setuptools" in hashed  # which builds the project, without a look at an index
    for package in re.split(r"\n(?=[a-z0-9])", text.strip()):
        assert re.fullmatch(r"[^\n]+ \\\n(    --hash=sha256:[0-9a-f]{64}( \\\n)?)+", package), package[:200]


def _pinned(file: str) -> dict[str, str]:
    """The version of each package that a file of pins names."""
    lines = re.findall(r"^([\w.-]+)(?:\[.*\])?==([^\s;]+)", (REPOSITORY / file).read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in lines}
