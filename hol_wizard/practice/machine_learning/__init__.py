"""The part of Azure Machine Learning that has addresses of its own: MLflow tracking."""
