"""Who may call: admission of an API key, its addresses and limits, and the authorizers of functions.

Only the gateways import it. Every request passes ``admission.admit``; a function with ``auth_required`` also
passes ``authorization.Authorization``, which asks the authorizer named by the endpoint's settings who the
caller is and whether it may call the function, and returns what the function is shown of the caller.
"""
