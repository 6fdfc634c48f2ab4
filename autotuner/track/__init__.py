"""What watches a study and keeps it: MLflow, the HTML report, the MLflow interface.

The only package that imports MLflow, and only inside the functions that need it.
"""

from autotuner.track.names import mlflow_name
from autotuner.track.observer import MlflowObserver
from autotuner.track.report import report_html
from autotuner.track.ui import run_ui

__all__ = ["MlflowObserver", "mlflow_name", "report_html", "run_ui"]
