"""The execution ledger: which calls were accepted, who holds them and how they ended (docs/ledger.md).

``execution`` is a row, ``store`` its transitions, ``dispatch`` sends executions to workers, ``digests``
makes row ids of idempotency keys, ``payload_store`` keeps large values. All services may import it.
"""
