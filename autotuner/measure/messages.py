"""What controller and worker say to each other: typed, plain data, one JSON line each."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, TypeAdapter

from autotuner.measure.outcome import Failure, Measurement
from autotuner.measure.target import Target
from autotuner.pipeline import DecisionValue
from autotuner.pipeline.profile import StageCost


@dataclass(frozen=True)
class Timing:
    """How long a trial is timed: from ``window_seconds`` on, until its rate is known well enough."""

    window_seconds: float = 1.0
    """At least; after warm-up, in later epochs where a cache fills in the first. Stalls do not count."""
    longest_seconds: float = 3.0
    """At most, however uneven the steps come."""
    relative_error: float = 0.03
    """Half the 95 % interval of the rate over the rate at which it is known well enough."""
    fill_seconds: float = 1.5
    """About how long the first epoch of a pipeline with a cache may take; longer ones are shortened below it."""
    beat_seconds: float | None = None
    """Projected seconds of the best pipeline so far: a trial that cannot come in under them is ended early."""


@dataclass(frozen=True)
class Calibrated:
    """What the first worker found by iterating the dataset, so that later ones need not."""

    steps_per_epoch: int
    steps_per_second: float
    """Of the input alone."""
    batch_rows: list[int] | None
    """Leading sizes of the batch shapes seen, where shapes differ in nothing else."""
    warnings: list[str] = field(default_factory=list)
    model_steps_per_second: float | None = None
    """Of the model alone, roughly; ``None`` where there is no model."""
    time_to_first_batch_seconds: float = 0.0

    @property
    def epoch_seconds(self) -> float:
        """Of an epoch of the input alone, from making its iterator on."""
        return self.time_to_first_batch_seconds + (self.steps_per_epoch - 1) / self.steps_per_second

    def affordable_steps(self, seconds: float) -> float:
        """Steps that the slower of the two takes about ``seconds`` for."""
        model = self.model_steps_per_second or math.inf
        return seconds * min(self.steps_per_second, model)


@dataclass(frozen=True)
class Open:
    """Record the pipeline, build the model, find the facts. The first request."""

    dataset: Target
    model: Target | None
    sys_path: list[str]
    epochs: int
    steps_per_epoch: int | None = None
    max_share_of_free_memory: float = 0.5
    memory_limit_bytes: int | None = None
    """Resident memory at which the worker is stopped."""
    calibrated: Calibrated | None = None
    facts: dict[str, Any] | None = None
    """What the first worker found about each op."""
    keep: list[str] = field(default_factory=list)
    """Labels of ops to leave in their place."""
    cold: bool = False
    """Evict the files that the pipeline names from the page cache before each trial."""
    scratch: str | None = None
    """Folder for what a trial writes to disk; it is removed with the last process. Default: the system's."""
    sources: dict[str, str] = field(default_factory=dict)
    """Texts to run in place of what these files of the user's hold, by absolute path."""
    type: Literal["open"] = "open"


@dataclass(frozen=True)
class Origin:
    """Where the user's function is imported from."""

    module: str
    name: str
    import_root: str | None
    """Folder that must be on ``sys.path``; ``None`` for what is installed."""


@dataclass(frozen=True)
class Opened:
    """What was found."""

    pipeline: dict[str, Any]
    facts: dict[str, Any]
    calibrated: Calibrated
    parameters: str
    """Signature of the user's function, without the parentheses."""
    origin: Origin | None = None
    """``None`` for a function that no import statement leads to: of a script, of a notebook."""
    model_fingerprint: str = ""
    """Hash of what is trained, equal in every process; empty without a model."""
    attributes: dict[str, Any] = field(default_factory=dict)
    """What the user's function hung on its dataset, such as ``class_names``, each as a value of a pipeline."""
    type: Literal["opened"] = "opened"


@dataclass(frozen=True)
class Measure:
    """Build, verify and time one configuration."""

    configuration: dict[str, DecisionValue]
    timing: Timing
    verify: bool = True
    clock: str | None = None
    """File of the clock by which it takes turns with others; ``None`` where it runs alone."""
    type: Literal["measure"] = "measure"


@dataclass(frozen=True)
class MeasureCeiling:
    """Time the model on one batch at hand, again and again."""

    timing: Timing
    type: Literal["measure_ceiling"] = "measure_ceiling"


@dataclass(frozen=True)
class Ceiling:
    """Steps per second no pipeline can beat."""

    steps_per_second: float
    """Over the whole projected training: ``fit`` itself takes time at the start of every epoch."""
    timed_seconds: float
    type: Literal["ceiling"] = "ceiling"


@dataclass(frozen=True)
class Profile:
    """Find what each stage costs, and with a model what AUTOTUNE chooses under a real fit."""

    autotune: dict[str, DecisionValue] = field(default_factory=dict)
    """The configuration in which every knob is AUTOTUNE."""
    limit_seconds: float = 5.0
    """For reading the input, and once more for the fit."""
    type: Literal["profile"] = "profile"


@dataclass(frozen=True)
class Profiled:
    """What was seen of each stage."""

    costs: dict[str, StageCost]
    """By the path of the op."""
    autotune_chose: dict[str, int]
    """By the name of the decision."""
    stopped_by: str = ""
    """The error in which reading ended; what was seen before it counts."""
    type: Literal["profiled"] = "profiled"


@dataclass(frozen=True)
class CheckModule:
    """Run an emitted module and compare its dataset with the configuration's."""

    path: str
    configuration: dict[str, DecisionValue]
    parameters: dict[str, DecisionValue] = field(default_factory=dict)
    """Values to try its parameters with, one at a time, against the user's function with the same."""
    type: Literal["check_module"] = "check_module"


@dataclass(frozen=True)
class CheckSources:
    """Run the user's function with other texts in place of its files, and compare as :class:`CheckModule` does."""

    sources: dict[str, str]
    """By absolute path."""
    configuration: dict[str, DecisionValue]
    parameters: dict[str, DecisionValue] = field(default_factory=dict)
    """Values to try the function's parameters with, one at a time."""
    type: Literal["check_sources"] = "check_sources"


@dataclass(frozen=True)
class Checked:
    """``reason`` says how the emitted code differs; empty when it does not."""

    reason: str
    wrong_parameters: list[str] = field(default_factory=list)
    """Parameters with which the module does something else than the user's function."""
    type: Literal["checked"] = "checked"


@dataclass(frozen=True)
class TraceParameters:
    """Find out which values of the pipeline are arguments of the user's function."""

    type: Literal["trace_parameters"] = "trace_parameters"


@dataclass(frozen=True)
class Mark:
    """A place of the recorded pipeline that holds an argument of the user's function."""

    parameter: str
    place: list[str]
    """Op label, argument, and the way on inside it: indices, keys, names that a function closes over."""
    suffix: str = ""
    """Text that follows the argument there."""


@dataclass(frozen=True)
class Traced:
    """What was found; nothing where the function has no parameters."""

    marks: list[Mark]
    defaults: dict[str, DecisionValue]
    """Of each parameter that can stay one."""
    others: dict[str, DecisionValue]
    """Another value for each of them."""
    baked: dict[str, str]
    """Parameters that cannot, and why."""
    type: Literal["traced"] = "traced"


@dataclass(frozen=True)
class Broken:
    """The request cannot be carried out because of the user's code or data."""

    message: str
    hint: str = ""
    user_traceback: str = ""
    type: Literal["broken"] = "broken"


Request: TypeAlias = Open | Measure | MeasureCeiling | Profile | CheckModule | CheckSources | TraceParameters
Response: TypeAlias = Opened | Measurement | Failure | Ceiling | Profiled | Checked | Broken | Traced


@cache
def _requests() -> TypeAdapter[Request]:
    return TypeAdapter(Annotated[Request, Field(discriminator="type")])


@cache
def _responses() -> TypeAdapter[Response]:
    return TypeAdapter(Annotated[Response, Field(discriminator="type")])


def request_to_line(request: Request) -> bytes:
    """One JSON line."""
    return _requests().dump_json(request) + b"\n"


def request_from_line(line: bytes) -> Request:
    """The request of one JSON line."""
    return _requests().validate_json(line)


def response_to_line(response: Response) -> bytes:
    """One JSON line."""
    return _responses().dump_json(response) + b"\n"


def response_from_line(line: bytes) -> Response:
    """The response of one JSON line."""
    return _responses().validate_json(line)


def outcome_to_json(outcome: Measurement | Failure) -> dict[str, Any]:
    """Plain JSON data of an outcome."""
    return _responses().dump_python(outcome, mode="json")  # type: ignore[no-any-return]


def outcome_from_json(data: dict[str, Any]) -> Measurement | Failure:
    """The outcome that :func:`outcome_to_json` wrote."""
    outcome = _responses().validate_python(data)
    if not isinstance(outcome, Measurement | Failure):
        raise TypeError(f"{type(outcome).__name__} is not an outcome")
    return outcome
