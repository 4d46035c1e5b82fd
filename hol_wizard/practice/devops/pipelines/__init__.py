"""Azure Pipelines' REST API: queues, definitions, builds with their timelines, logs, artifacts and test results."""
