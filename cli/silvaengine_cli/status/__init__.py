"""How a deployment does: numbers from its Lambdas' lines, and what its tables, queues and alarms say."""
