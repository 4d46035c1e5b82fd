"""The interface between a web server and the model: `init()` once, then `run()` for every request.

Azure Machine Learning's own inference server (`azmlinfsrv`) calls the same two functions.
"""

from typing import Any

from inference_code.model_class import MyModel

try:
    from azureml_inference_server_http.api.aml_response import AMLResponse
except ImportError:
    AMLResponse = None

MODEL = MyModel()


def init() -> None:
    """Load the model."""
    MODEL.init()


def run(package: str | bytes) -> Any:
    """Answer one request.

    Raises:
        ValueError: The model cannot answer it. `azmlinfsrv` would answer 500 to that, so it is given a 400 instead.
    """
    try:
        return MODEL.predict(package)
    except ValueError as error:
        if AMLResponse is None:
            raise
        return AMLResponse({"error": str(error)}, 400, json_str=True)
