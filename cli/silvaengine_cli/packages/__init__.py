"""Function packages of the predecessor: what they say about themselves, and what they rely on."""

from pathlib import Path, PurePath

FUNCTIONS_FOLDER = Path("services/worker/functions")  # of a project
PACKAGES_FOLDER = Path("packages")  # of a project; those that are published
PACKAGE_FILE = "package.yaml"
PROJECT_FILE = "silvaengine.toml"  # of an application


def functions_folder(application: Path = Path()) -> Path:
    """Return where an application or a clone, the current folder by default, has the worker's functions."""
    is_own = (application / PROJECT_FILE).is_file()
    return application / (FUNCTIONS_FOLDER.name if is_own else FUNCTIONS_FOLDER)


# Names that no function package may have: those of the layer (shared/requirements.txt and the framework) and
# of Lambda's runtime. packaging/artefact.py, which runs without this package, reads the same file.
RESERVED_NAMES = frozenset(Path(__file__).with_name("reserved_names.txt").read_text().split())


def is_test(path: PurePath) -> bool:
    """Return whether pytest alone reads a file: ``path`` begins in the folder of the packages or above."""
    name = path.name
    is_module = name == "conftest.py" or (name.startswith("test_") and name.endswith(".py"))
    return is_module or "tests" in path.parts[:-1]


def package_folders(project: Path) -> list[str]:
    """Return the names of the folders in ``packages/`` of a project that are published, in order."""
    return sorted(path.parent.name for path in (project / PACKAGES_FOLDER).glob(f"*/{PACKAGE_FILE}"))
