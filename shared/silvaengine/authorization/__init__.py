"""Who may call: admission of a key, its addresses and limits, and authorizers for functions that demand more.

Only the gateways import it. ``admission.admit`` is the entry for every request, ``authorize.Authorization``
for
functions with ``auth_required``: it picks the authorizer that the endpoint's settings name, asks it who the
caller is and whether that caller may, and returns what is merged into the function's context.
"""
