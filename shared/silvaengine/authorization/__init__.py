"""Who may call a function that demands more than an endpoint's API key.

``authorize.Authorization`` is the entry for a request of either gateway: it picks the authorizer that the
endpoint's settings name, asks it who the caller is and whether that caller may, and gives what is merged into
the function's context. Only functions with ``auth_required`` lead here, so that no other request imports it.
"""
