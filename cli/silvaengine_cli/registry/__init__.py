"""The registry as code: ``registry.yaml`` on one side, the tables on the other."""
