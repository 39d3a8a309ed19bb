"""Who may call: a gateway's events, admission of an API key by addresses and limits, functions' authorizers.

Only the gateways import it. Every request passes ``Admission.admit``; a function with ``auth_required`` also
passes ``authorization.Authorization``, which asks the authorizer named by the endpoint's settings who the
caller is and whether it may call the function, and returns what the function is shown of the caller.
"""
