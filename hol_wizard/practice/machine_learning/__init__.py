"""The part of Azure Machine Learning with its own host names: MLflow tracking."""
