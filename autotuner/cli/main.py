"""Entry point: every error becomes one message and a hint, and an exit code.

0 done, 1 failed, 2 wrong usage, 130 interrupted (and resumable), by Ctrl-C or by a request to terminate.
"""

from __future__ import annotations

import signal
import sys

import click

from autotuner import __version__
from autotuner.cli.apply import apply
from autotuner.cli.check import check
from autotuner.cli.demo import demo
from autotuner.cli.emit import emit
from autotuner.cli.inspect import inspect
from autotuner.cli.report import report
from autotuner.cli.tune import tune
from autotuner.cli.ui import ui
from autotuner.errors import AutotunerError, UsageError, UserCodeError

FAILED, USAGE, INTERRUPTED = 1, 2, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="autotuner")
def cli() -> None:
    """Find the tf.data pipeline that trains fastest on this machine, with the same data, and write it as code."""


for command in (tune, inspect, demo, ui, apply, check, emit, report):
    cli.add_command(command)


def main() -> None:
    """Runs the command line and exits."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's end of a job is no reason to lose the run
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs the command line; returns the exit code."""
    try:
        answer = cli.main(arguments, prog_name="autotuner", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        return USAGE
    except click.ClickException as error:
        error.show()
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        resumable = arguments[:1] in (["tune"], ["demo"])
        after = "; all trials are kept: repeat the same command to continue where it stopped" if resumable else ""
        click.echo(f"interrupted{after}", err=True)
        return INTERRUPTED
    except AutotunerError as error:
        _explain(error)
        return USAGE if isinstance(error, UsageError) else FAILED
    return answer if isinstance(answer, int) else 0


def _explain(error: AutotunerError) -> None:
    if isinstance(error, UserCodeError) and error.user_traceback:
        click.echo(error.user_traceback.rstrip() + "\n", err=True)
    click.echo(f"autotuner: {error.message}", err=True)
    if error.hint:
        click.echo(f"hint: {error.hint}", err=True)
