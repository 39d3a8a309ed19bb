"""The execution ledger: what was accepted, who holds it, what became of it (docs/ledger.md).

``execution`` is a row, ``book`` its transitions, ``dispatch`` how a worker is told, ``keys`` what an
idempotency key becomes, ``objects`` where large values lie.
"""
