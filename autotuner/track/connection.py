"""Reaching an MLflow tracking store: quickly or not at all, and without a word on the user's terminal."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import socket
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from autotuner.errors import AutotunerError

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PATIENCE_SECONDS = 8
_CLIENT_SETTINGS = {
    # MLflow's own are 120 s and 7 retries: minutes of silence when a server is down.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(_PATIENCE_SECONDS),
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_CHATTY_LOGGERS = ("mlflow", "alembic", "urllib3.connectionpool")
_DATABASE_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
_LONGEST_REASON = 200


def tracking_uri(argument: str | None) -> str:
    """Where MLflow logs to: the argument, else ``MLFLOW_TRACKING_URI``, else MLflow's default in this folder."""
    if argument:
        return argument
    from mlflow.tracking import get_tracking_uri

    return str(get_tracking_uri())


def connect(uri: str) -> MlflowClient:
    """A client of the store at ``uri``, reached once; a database is created or migrated.

    Raises:
        AutotunerError: ``uri`` is not one MLflow could ever use.
        Exception: one of :func:`connection_errors`; nothing answered.
    """
    _check_address(uri)
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    client.search_experiments(max_results=1)
    return client


@functools.cache
def connection_errors() -> tuple[type[Exception], ...]:
    """What MLflow and the libraries below it raise when a store does not answer or does not accept."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    # ImportError: the driver of a database, or the client of an artifact store, is not installed.
    return MlflowException, RequestException, SQLAlchemyError, OSError, ImportError


@contextlib.contextmanager
def quiet_and_impatient() -> Iterator[None]:
    """Within it MLflow gives up after seconds and keeps its logs to itself; what the user set themselves stays.

    MLflow reads these settings from the environment at every request; they are put back afterwards, so
    no child process inherits them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow  # noqa: F401 - it sets up its loggers when imported, and would undo the levels set below

        loggers = [logging.getLogger(name) for name in _CHATTY_LOGGERS]
        levels = [logger.level for logger in loggers]
        added = {key: value for key, value in _CLIENT_SETTINGS.items() if key not in os.environ}
        os.environ.update(added)
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            for key in added:
                os.environ.pop(key, None)


def shown(uri: str) -> str:
    """``uri`` without its password, for terminals and files."""
    try:
        password = urlsplit(uri).password
    except ValueError:
        return uri
    return uri.replace(f":{password}@", ":***@") if password else uri


def reason(error: Exception, uri: str) -> str:
    """Why a store did not answer, short and without the password of ``uri``: ``Connection refused``."""
    root: BaseException = error
    while (inner := root.__cause__ or root.__context__) is not None:
        root = inner
    if isinstance(root, OSError) and root.strerror:
        return root.strerror
    first = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    text = first.replace(uri, shown(uri))
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"


def _check_address(uri: str) -> None:
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError as error:
        raise _unusable(uri, str(error)) from error
    scheme = parts.scheme.partition("+")[0]
    if scheme in {"http", "https"} and not parts.hostname:
        raise _unusable(uri, "it names no host")
    if scheme in {"sqlite", *_DATABASE_PORTS}:
        _check_database(uri, parts.hostname, port or _DATABASE_PORTS.get(scheme, 0))
    elif scheme not in _supported_schemes():
        raise _unusable(uri, f"nothing installed understands {scheme}:")


def _check_database(uri: str, host: str | None, port: int) -> None:
    """Read the database's tables once, because MLflow itself retries an unreachable one for 100 s."""
    import sqlalchemy

    try:
        url = sqlalchemy.make_url(uri)
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        raise _unusable(uri, str(error)) from error
    if host:
        socket.create_connection((host, port), timeout=_PATIENCE_SECONDS).close()
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).absolute().parent.mkdir(parents=True, exist_ok=True)
    engine = sqlalchemy.create_engine(url)
    try:
        sqlalchemy.inspect(engine).get_table_names()
    finally:
        engine.dispose()


def _supported_schemes() -> frozenset[str]:
    from mlflow.tracking._tracking_service.utils import _tracking_store_registry

    return frozenset(_tracking_store_registry._registry)  # noqa: SLF001 - MLflow offers no public list; plugins add to it


def _unusable(uri: str, why: str) -> AutotunerError:
    return AutotunerError(
        f"MLflow cannot use the tracking URI {shown(uri)!r}: {why}; the study goes on without MLflow.",
        "give one like sqlite:///mlflow.db or http://host:5000",
    )
