"""All that a web server knows of the model: `init()` once, then `run()` for every request."""

from inference_code.model_class import MyModel

MODEL = MyModel()


def init() -> None:
    """Load the model."""
    MODEL.init()


def run(package: str | bytes) -> dict[str, float]:
    """Answer one request."""
    return MODEL.predict(package)
