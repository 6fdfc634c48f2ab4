"""The source of what a shim does: it lets the user's function run, notes its calls of tf.data, and repeats them."""

from __future__ import annotations

from autotuner.emit.signatures import READERS
from autotuner.pipeline import Captured, FnRef

MODULES = ("contextlib", "dataclasses", "functools", "inspect", "threading", "types")
"""What :data:`SOURCE` needs besides TensorFlow."""
NAMES = ("METHODS", "STAGES", "Stage", "datasets_in", "frozen", "like", "method", "stages_of", "was", "watched")
"""Names that it defines, and that of the stages inside the emitted function."""

SOURCE = '''@dataclasses.dataclass
class Stage:
    """A call of tf.data: what it was given, and the dataset that it made."""

    kind: str
    call: object
    given: dict
    dataset: tf.data.Dataset

    def __post_init__(self):
        self.attributes = set(vars(self.dataset)) if self.call else set()

    def again(self, dataset=None, /, **changed):
        """Make the call once more, of another dataset or with other arguments; ``...`` leaves one to its default."""
        given = {**self.given, **({} if dataset is None else {"self": dataset}), **changed}
        given = {name: value for name, value in given.items() if value is not ...}
        bound = inspect.BoundArguments(inspect.signature(self.call), given)
        return self.call(*bound.args, **bound.kwargs)


def frozen(value, deeper=True):
    """Keep what a function closes over: the next round of a loop assigns its variables again."""
    if isinstance(value, functools.partial):
        return functools.partial(frozen(value.func), *value.args, **value.keywords)
    if not isinstance(value, types.FunctionType) or not value.__closure__:
        return value
    cells = []
    for cell in value.__closure__:
        try:
            held = cell.cell_contents
        except ValueError:  # not assigned yet
            cells.append(types.CellType())
        else:
            cells.append(types.CellType(frozen(held, False) if deeper and held is not value else held))
    name, defaults = value.__name__, value.__defaults__
    copy = types.FunctionType(value.__code__, value.__globals__, name, defaults, tuple(cells))
    copy.__kwdefaults__, copy.__module__, copy.__qualname__ = value.__kwdefaults__, value.__module__, value.__qualname__
    copy.__dict__.update(value.__dict__)
    return copy


def datasets_in(value):
    """Every dataset in an argument, in order."""
    if isinstance(value, tf.data.Dataset):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [dataset for part in parts for dataset in datasets_in(part)]


@contextlib.contextmanager
@tf.autograph.experimental.do_not_convert
def watched(*changes):
    """Note each call of tf.data but those that it makes itself; ``changes`` are arguments, call by call."""
    calls, waiting, thread, busy = {}, iter(changes), threading.get_ident(), False

    def method(kind, owner, original):
        @functools.wraps(original)
        def noted(*args, **kwargs):
            nonlocal busy
            if busy or threading.get_ident() != thread:
                return original(*args, **kwargs)
            bound = inspect.signature(original).bind(*args, **kwargs)
            given = {name: frozen(value) for name, value in bound.arguments.items()}
            applies = kind == "apply"  # it only calls its function, whose own calls count
            bound.arguments.update({} if applies else next(waiting, {}))
            busy = not applies
            try:
                made = original(*bound.args, **bound.kwargs)
            finally:
                busy = False
            call, dataset = (owner, given.pop("self")) if made is None else (original, made)
            calls.setdefault(id(dataset), Stage(kind, call, given, dataset))
            return made

        return noted

    originals = []
    try:
        for kind, owner in METHODS.items():
            name = kind if owner is tf.data.Dataset else "__init__"
            original = vars(owner)[name]
            originals.append((owner, name, original))
            static = isinstance(original, staticmethod)
            noted = method(kind, owner, getattr(owner, name))
            setattr(owner, name, staticmethod(noted) if static else noted)
        yield calls
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)


def stages_of(function, **arguments):
    """Run your function; the stages of its dataset, by their names in STAGES."""
    with watched() as calls:
        output = function(**arguments)
    found, waiting = {}, [(list(STAGES)[-1], output)]
    while waiting:
        name, dataset = waiting.pop()
        found[name] = stage = calls.get(id(dataset)) or Stage("nothing that was seen", None, {}, dataset)
        if (wanted := STAGES[name]) is None:
            continue  # made in a way that nothing is expected of
        inputs = datasets_in(stage.given)
        if stage.kind != name.partition("[")[0] or len(inputs) != len(wanted):
            raise RuntimeError(f"{function.__name__} has {stage.kind} where {name} was: it has changed, tune it again")
        waiting += zip(wanted, inputs, strict=True)
    return found


def like(stage, dataset):
    """Hang on ``dataset`` what your function hung on its own, such as class_names."""
    for name in vars(stage.dataset).keys() - stage.attributes:
        if not name.startswith("_"):
            setattr(dataset, name, getattr(stage.dataset, name))
    return dataset'''

_CHANGED_INSIDE = '''def changed_inside(function, *changes):
    """Give the calls of tf.data that ``function`` makes these arguments in place of its own, call by call."""

    @functools.wraps(function)
    def changed(*args):
        with watched(*changes):
            made = function(*args)
        return made

    return changed'''

_EXCHANGING = '''def exchanging(function, module, **others):
    """Let ``function`` run with ``others`` in place of what ``module`` has under their names."""

    @contextlib.contextmanager
    @tf.autograph.experimental.do_not_convert
    def exchanged():
        own = {name: getattr(module, name) for name in others}
        for name, other in others.items():
            setattr(module, name, other)
        try:
            yield
        finally:
            for name, other in own.items():
                setattr(module, name, other)

    @functools.wraps(function)
    def running(*element):
        with exchanged():
            made = function(*element)
        return made

    return running'''


def changed_inside() -> FnRef:
    """A function with source; it changes arguments of the calls inside a function given to ``interleave``."""
    return _with_source("changed_inside", _CHANGED_INSIDE)


def exchanging() -> FnRef:
    """A function with source; the worker has user functions call other functions of TensorFlow in the same way."""
    return _with_source("exchanging", _EXCHANGING)


def _with_source(name: str, source: str) -> FnRef:
    return FnRef(name, name, source=source, bindings=_TENSORFLOW, digest=name)


_TENSORFLOW = {"tf": Captured("tf", "module tensorflow", "tf", ("import tensorflow as tf",), digest="tf")}


def owner_of(kind: str) -> str:
    """The class whose method, or whose constructor, a call is."""
    return READERS.get(kind, "tf.data.Dataset")
