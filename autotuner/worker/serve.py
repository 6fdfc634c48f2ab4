"""The worker's loop: one request, one response, until the controller closes the connection."""

from __future__ import annotations

import contextlib
import socket
import sys
from typing import BinaryIO

import tensorflow as tf

from autotuner.errors import AutotunerError, UserCodeError
from autotuner.measure.messages import (
    Broken,
    CheckModule,
    CheckSources,
    Measure,
    MeasureCeiling,
    Open,
    Profile,
    Request,
    Response,
    TraceParameters,
    request_from_line,
    response_to_line,
)
from autotuner.measure.outcome import Failure, FailureKind
from autotuner.worker.check_module import check_module, check_sources
from autotuner.worker.session import Session
from autotuner.worker.sources import replaced_sources
from autotuner.worker.trace_parameters import trace_parameters
from autotuner.worker.tracebacks import in_one_line, user_traceback

_REPLACED = contextlib.ExitStack()
"""Texts that stand in for the user's files as long as this process lives."""


def serve(connection: socket.socket) -> None:
    """Answers requests; an error in the user's code is an answer, too."""
    reader, writer = connection.makefile("rb"), connection.makefile("wb")
    session: Session | None = None
    opened: Open | None = None
    for line in reader:
        request = request_from_line(line)
        if isinstance(request, Open):
            opened = request
            session, response = _open(request)
        else:
            response = _answer(session, opened, request)
        _write(writer, response)


def _open(request: Open) -> tuple[Session | None, Response]:
    for folder in reversed(request.sys_path):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    if request.sources:
        _REPLACED.enter_context(replaced_sources(request.sources))
    try:
        session = Session(request)
    except UserCodeError as error:
        return None, Broken(error.message, error.hint, error.user_traceback)
    except AutotunerError as error:
        return None, Broken(error.message, error.hint)
    except Exception as error:  # noqa: BLE001 - the user's code may raise anything
        return None, Broken(in_one_line(error), "the traceback shows where in your code", user_traceback(error))
    return session, session.opened()


def _answer(session: Session | None, opened: Open | None, request: Request) -> Response:  # noqa: C901 - a case each
    if session is None or opened is None:
        return Broken("the worker has no pipeline yet", "open one first")
    try:
        match request:
            case Measure():
                return session.measure(request)
            case MeasureCeiling():
                return session.ceiling(request.timing)
            case Profile():
                return session.profile(request)
            case CheckModule():
                return check_module(session, request)
            case TraceParameters():
                return trace_parameters(session.recorded, session.new_folder())
            case CheckSources():
                return check_sources(session, request, opened.dataset)
            case _:
                return Broken(f"the worker cannot {request.type}")
    except AutotunerError as error:
        return Broken(error.message, error.hint)
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        return Failure(FailureKind.OUT_OF_MEMORY, in_one_line(error), user_traceback(error))
    except Exception as error:  # noqa: BLE001 - the user's code may raise anything
        return Failure(FailureKind.ERROR, in_one_line(error), user_traceback(error))


def _write(writer: BinaryIO, response: Response) -> None:
    writer.write(response_to_line(response))
    writer.flush()
