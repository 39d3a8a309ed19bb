"""What can be imported beside function packages: these names are taken, in packaging/artefact.py too."""

# The layer (shared/requirements.txt and the framework), and what Lambda's runtime is made of and offers.
BROUGHT = frozenset(
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
