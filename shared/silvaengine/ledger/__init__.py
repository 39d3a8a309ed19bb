"""The execution ledger: what was accepted, who holds it, what became of it (docs/ledger.md).

``execution`` is a row, ``store`` its transitions, ``policy`` how a function's executions are treated,
``dispatch``
how a worker is told, ``digests`` what an idempotency key becomes, ``payload_store`` where large values lie.
All services may import it.
"""
