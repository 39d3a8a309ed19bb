"""Where AWS's services are: the endpoint URLs that the environment names, and AWS's own."""

from collections.abc import Mapping

from silvaengine.aws.errors import misconfigured

# docs.aws.amazon.com/general/latest/gr/rande.html; all other regions are in amazonaws.com.
SUFFIXES = {
    "cn-": "amazonaws.com.cn",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
    "eusc-": "amazonaws.eu",
}
SERVICE_IDS = {"secretsmanager": "secrets_manager"}  # where the variable's name differs from the signing name


def endpoint_url(service: str, region: str, environ: Mapping[str, str]) -> str:
    """Return a service's endpoint URL: from the environment, otherwise AWS's own in the region.

    docs.aws.amazon.com/sdkref/latest/guide/feature-endpoints.html and feature-account-endpoints.html.

    Raises:
        ConfigurationError: AWS has no such endpoint, or it has to be the account's own.
    """
    if url := configured_url(service, environ):
        return url
    if service == "dynamodb" and environ.get("AWS_ACCOUNT_ID_ENDPOINT_MODE", "").lower() == "required":
        raise misconfigured("AWS_ACCOUNT_ID_ENDPOINT_MODE: expected preferred or disabled, found required")
    fips = _is_true(environ, "AWS_USE_FIPS_ENDPOINT")
    dual_stack = _is_true(environ, "AWS_USE_DUALSTACK_ENDPOINT")
    if fips or dual_stack:
        return _from_rules(service, region, fips=fips, dual_stack=dual_stack)
    suffix = next((SUFFIXES[prefix] for prefix in SUFFIXES if region.startswith(prefix)), "amazonaws.com")
    return f"https://{service}.{region}.{suffix}"


def configured_url(service: str, environ: Mapping[str, str]) -> str:
    """Return the endpoint URL that the environment names for a service, empty for none.

    docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html.
    """
    if _is_true(environ, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
        return ""
    variable = f"AWS_ENDPOINT_URL_{SERVICE_IDS.get(service, service).upper()}"
    return environ.get(variable) or environ.get("AWS_ENDPOINT_URL") or ""


def _is_true(environ: Mapping[str, str], variable: str) -> bool:
    return environ.get(variable, "").lower() == "true"  # as botocore.utils.ensure_boolean


def _from_rules(service: str, region: str, *, fips: bool, dual_stack: bool) -> str:
    """Return the URL by AWS's own rules for a service, of which botocore has a copy."""
    from botocore.endpoint_provider import EndpointProvider  # lazy: only FIPS or dual stack needs it
    from botocore.exceptions import BotoCoreError
    from botocore.loaders import Loader

    loader = Loader()
    try:
        rules = loader.load_service_model(service, "endpoint-rule-set-1")
        provider = EndpointProvider(rules, loader.load_data("partitions"))
        return str(provider.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual_stack).url)
    except BotoCoreError as error:
        raise misconfigured(f"{service}: {error}") from error
