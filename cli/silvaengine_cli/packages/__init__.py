"""Function packages of the predecessor: what they say about themselves, and what they rely on."""

# Names that no function package may have: those of the layer (shared/requirements.txt and the framework) and
# of Lambda's runtime. packaging/artefact.py runs without this package and repeats them; a test compares both.
RESERVED_NAMES = frozenset(
    [
        "_yaml",
        "awslambdaric",
        "boto3",
        "botocore",
        "dateutil",
        "diskcache",
        "jmespath",
        "msgspec",
        "pynamodb",
        "redis",
        "runtime_client",
        "s3transfer",
        "silvaengine",
        "silvaengine_base",
        "silvaengine_utility",
        "simplejson",
        "six",
        "snapshot_restore_py",
        "urllib3",
        "yaml",
    ]
)
