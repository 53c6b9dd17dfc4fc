"""The bill of materials has what is installed, in the versions that are pinned."""

import re

from pipelines.sbom import bill
from tests.conftest import REPOSITORY


def test_every_package_of_the_bill_is_pinned_and_everything_that_is_needed_is_in_it():
    made = bill()
    pinned = dict(
        re.findall(r"^([\w.-]+)==(\S+)", (REPOSITORY / "constraints.txt").read_text(), re.MULTILINE)
    )
    pinned = {name.lower().replace("_", "-").replace(".", "-"): version for name, version in pinned.items()}
    assert {"duckdb", "lightgbm", "mlflow", "fastapi", "psycopg", "cryptography"} <= {
        each["name"] for each in made["components"]
    }
    for each in made["components"]:
        assert each["version"] == pinned[each["name"]]
        assert each["purl"] == f"pkg:pypi/{each['name']}@{each['version']}"
    refs = {each["bom-ref"] for each in made["components"]} | {made["metadata"]["component"]["bom-ref"]}
    assert {each["ref"] for each in made["dependencies"]} == refs
    assert {other for each in made["dependencies"] for other in each["dependsOn"]} < refs
