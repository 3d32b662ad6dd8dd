"""Write a software bill of materials: `python .ci/sbom.py FILE [IMAGE]`.

From the image (shub:local, or the one that is named), which is asked for its Debian packages and
its Python packages; where there is no engine or no such image, from the locks, which name the
Python packages only. The property `shub:source` says which.
"""

import re
import subprocess
import sys
from pathlib import Path

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements.txt", "requirements-saml.txt")

# What the image is asked: one line for each package.
ASK = r"""
dpkg-query --show --showformat 'deb\t${Package}\t${Version}\t${Architecture}\n'
. /etc/os-release; printf 'os\t%s\t%s\t\n' "$ID" "$VERSION_ID"
python - <<'END'
import importlib.metadata as metadata, platform
print("python", "CPython", platform.python_version(), "", sep="\t")
for each in metadata.distributions():
    print("pypi", each.metadata["Name"], each.version, "", sep="\t")
END
"""


def main(arguments: list[str]) -> int:
    target = Path(arguments[0]) if arguments else Path("sbom.json")
    image = arguments[1] if len(arguments) > 1 else "shub:local"
    packages = of_image(image)
    source = f"image {image}" if packages else f"locks {', '.join(LOCKS)}"
    packages = packages or of_locks()
    text = JsonV1Dot6(bill(packages, source)).output_as_string(indent=1)
    if faults := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        print(faults, file=sys.stderr)
        return 1
    target.write_text(text + "\n")
    kinds = ", ".join(
        f"{sum(kind == each[0] for each in packages)} {kind}"
        for kind in sorted({each[0] for each in packages})
    )
    print(f"{target}: {kinds}; from the {source}.")
    return 0


def of_image(image: str) -> list[list[str]]:
    """Kind, name, version and architecture of each package; nothing where nobody can be asked."""
    command = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "sh", image, "-c", ASK]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return []
    if done.returncode:
        print(f"{image} cannot be asked: docker compose build makes it.", file=sys.stderr)
        return []
    return [line.split("\t") for line in done.stdout.splitlines()]


def of_locks() -> list[list[str]]:
    """The same of the locks."""
    found = {}
    for lock in LOCKS:
        for name, version in re.findall(
            r"^([A-Za-z0-9._-]+)(?:\[\S+\])?==(\S+)", (ROOT / lock).read_text(), re.MULTILINE
        ):
            found[name.lower()] = ["pypi", name, version, ""]
    return [found[name] for name in sorted(found)]


def bill(packages: list[list[str]], source: str) -> Bom:
    """The bill of these, as parts of one application."""
    bom = Bom()
    whole = Component(name="shub", type=ComponentType.CONTAINER, bom_ref="shub")
    whole.properties.add(Property(name="shub:source", value=source))
    bom.metadata.component = whole
    distribution = next((each[1] for each in packages if each[0] == "os"), "debian")
    for kind, name, version, architecture in packages:
        part = component(kind, name, version, architecture, distribution)
        bom.components.add(part)
    bom.register_dependency(whole, list(bom.components))
    return bom


def component(
    kind: str, name: str, version: str, architecture: str, distribution: str
) -> Component:
    """One package; an operating system and an interpreter have no package URL."""
    if kind in {"os", "python"}:
        what = ComponentType.OPERATING_SYSTEM if kind == "os" else ComponentType.PLATFORM
        return Component(name=name, version=version, type=what, bom_ref=f"{kind}:{name}@{version}")
    url = PackageURL(
        type=kind,
        namespace=distribution if kind == "deb" else None,
        name=name,
        version=version,
        qualifiers={"arch": architecture} if architecture else None,
    )
    return Component(
        name=name, version=version, type=ComponentType.LIBRARY, purl=url, bom_ref=url.to_string()
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
