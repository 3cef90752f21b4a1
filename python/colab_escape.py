"""Saves folders as small versions in Google Drive or another store, and brings them back: colab-escape for Python.

    import colab_escape

    colab_escape.resume("runs")                          # the newest version, if there is one
    colab_escape.push("runs", metrics={"val_loss": 0.31})
    colab_escape.pull("runs@best:val_loss", "best-run")

    with colab_escape.watch("runs", keep_last=5):        # saves whatever the training finishes
        train()

    saver = colab_escape.Saver("runs")                   # saves in the background, when you say so
    saver.save(metrics={"val_loss": 0.31})

Each call runs the program colab-escape, which needs Node. Options of its commands are keyword arguments:
`--keep-last 5` is `keep_last=5`, `--create` is `create=True`, and an option that is given several times takes a list.
Needs Python 3.8 and nothing else. docs/python.md of its repository has examples for PyTorch, Lightning, Keras and Transformers.
"""
import os
import sys

_path = sys.path
# files of the current folder may be somebody else's: a json.py there is not what this module imports
sys.path = [each for each in _path if os.path.realpath(each) != os.path.realpath("")]
import ast  # noqa: E402
import collections  # noqa: E402
import datetime  # noqa: E402
import importlib  # noqa: E402
import json  # noqa: E402
import re  # noqa: E402
import shlex  # noqa: E402
import signal  # noqa: E402
import subprocess  # noqa: E402
import threading  # noqa: E402
from dataclasses import dataclass, field, fields  # noqa: E402
from typing import Any, Dict, List, Optional  # noqa: E402

sys.path = _path

__all__ = [
    "push", "pull", "log", "latest", "resume", "watch", "Saver",
    "lightning_callback", "keras_callback", "transformers_callback",
    "PushResult", "PullResult", "Version", "Saved",
    "ColabEscapeError", "UsageError", "PartlyDone", "NotAuthenticated", "NotFound", "OutOfSpace", "Damaged",
    "WouldOverwrite", "ProgramMissing",
]  # fmt: skip


# Errors: one class for each exit code


class ColabEscapeError(Exception):
    """`code` and `exit_code` are the program's (docs/errors.md); `hint` is what to do, `list` what it is about."""

    def __init__(self, message, code="failed", hint=None, list=(), exit_code=1, result=None):
        super().__init__(message)
        self.message, self.code, self.hint = message, code, hint
        self.list, self.exit_code, self.result = [*list], exit_code, result

    def __str__(self):
        hint = ["  -> " + self.hint] if self.hint else []
        return "\n".join([self.message, *("  " + each for each in self.list[:20]), *hint])


class UsageError(ColabEscapeError):
    """An argument can't be right."""


class PartlyDone(ColabEscapeError):
    """Some files could not be saved; all others are. `result` is what was done."""


class NotAuthenticated(ColabEscapeError):
    """There is no login, or Google refuses it."""


class NotFound(ColabEscapeError):
    """There is no such file, version or repository."""


class OutOfSpace(ColabEscapeError):
    """The store or the disk is full."""


class Damaged(ColabEscapeError):
    """Data of the repository is damaged."""


class WouldOverwrite(ColabEscapeError):
    """Local files hold content that no version has. `list` names them."""


class ProgramMissing(ColabEscapeError):
    """Node or colab-escape is not installed, or Node is too old."""


_ERRORS = {2: UsageError, 3: PartlyDone, 4: NotAuthenticated, 5: NotFound, 6: OutOfSpace, 7: Damaged, 8: WouldOverwrite}


# Results: the fields of `--json` (docs/json-output.md), as Python writes them


class _Result:
    @classmethod
    def _of(cls, event, **more):
        values = {each.name: event.get(re.sub(r"_(\w)", lambda m: m[1].upper(), each.name)) for each in fields(cls)}
        if values.get("time"):
            values["time"] = datetime.datetime.strptime(values["time"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(
                tzinfo=datetime.timezone.utc
            )
        if "metrics" in values:
            values["metrics"] = {name: float(value) for name, value in values["metrics"].items()}
        return cls(**{**values, "json": event, **more})

    @property
    def spec(self):
        """What `pull` takes: the name and the whole id."""
        return "%s@%s" % (self.name, self.version)

    @property
    def label(self):
        return self.name if self.version is None else "%s@%s" % (self.name, self.version[:8])

    def __init_subclass__(cls):
        # how notebooks show it; they take the `__repr__` of a class before what its base has
        cls._repr_pretty_ = lambda self, printer, cycle: printer.text(str(self))


@dataclass(frozen=True)
class PushResult(_Result):
    name: str
    outcome: str  # "stored", "unchanged" (no version was made) or "dry-run"
    version: Optional[str]  # the id
    files: int
    bytes: int
    new_bytes: int
    stored_bytes: int  # what the new bytes take in the store
    metrics: Dict[str, float]
    failed_files: List[str]
    warnings: List[str] = field(repr=False)
    json: Dict[str, Any] = field(repr=False)  # all fields of the program's result

    def __str__(self):
        size = "%s, %s" % (_files(self.files), _size(self.bytes))
        if self.outcome == "unchanged":
            return "%s has all of it already: %s" % (self.label, size)
        done = "Pushed" if self.outcome == "stored" else "Would push"
        return "%s %s: %s; %s new, stored as %s" % (
            done, self.label, size, _size(self.new_bytes), _size(self.stored_bytes),
        )  # fmt: skip


@dataclass(frozen=True)
class PullResult(_Result):
    """Can be used as a path: `os.path.join(result, "model.pt")`."""

    name: str
    version: str
    destination: str
    written: int  # files
    written_bytes: int
    unchanged: int
    deleted: int
    warnings: List[str] = field(repr=False)
    json: Dict[str, Any] = field(repr=False)

    def __fspath__(self):
        return self.destination

    def __str__(self):
        return "Pulled %s into %s: %s written (%s), %d unchanged" % (
            self.label, self.destination, _files(self.written), _size(self.written_bytes), self.unchanged,
        )  # fmt: skip


@dataclass(frozen=True)
class Version(_Result):
    name: str
    version: str
    time: datetime.datetime
    message: Optional[str]
    tags: List[str]
    metrics: Dict[str, float]
    bytes: int
    files: int
    incomplete: Optional[Dict[str, Any]]  # set if some files could not be read when it was pushed
    json: Dict[str, Any] = field(repr=False)

    def __str__(self):
        notes = [*self.tags, *("%s=%g" % each for each in self.metrics.items()), self.message or ""]
        return ("%s  %s  %s  %s" % (self.label, self.time.astimezone().strftime("%Y-%m-%d %H:%M"), _size(self.bytes), "  ".join(notes))).rstrip()


@dataclass(frozen=True)
class Saved(_Result):
    """A version that a watch has made."""

    name: str
    version: str
    time: datetime.datetime
    files: List[str]
    metrics: Dict[str, float]
    new_bytes: int
    stored_bytes: int
    json: Dict[str, Any] = field(repr=False)

    def __str__(self):
        return "Saved %s: %s new, stored as %s" % (self.label, _size(self.new_bytes), _size(self.stored_bytes))


def _files(count):
    return "%d file%s" % (count, "" if count == 1 else "s")


def _size(count):
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            break
        count, unit = count / 1000, "TB"
    return "%d B" % count if unit == "B" else "%.3g %s" % (count, unit)


# The program


def _on_path(*names):
    """Like shutil.which, but never a file of the current folder."""
    for folder in filter(os.path.isabs, os.get_exec_path()):
        for name in names:
            file = os.path.join(folder, name)
            if os.path.isfile(file) and os.access(file, os.X_OK):
                return file
    return None


def _program(program=None):
    """What starts the program, for a list of arguments. Windows has no links, but folders at known places."""
    module = os.path.join("colab-escape", "bin", "colab-escape.cjs")
    named = [os.path.join("node_modules", module), os.path.join("..", module)] if os.name == "nt" else ["colab-escape"]
    found = program or os.environ.get("COLAB_ESCAPE_PROGRAM") or _on_path(*named) or _beside()
    if not found:
        raise ProgramMissing(
            "The program colab-escape isn't installed: it isn't in PATH.",
            code="no-program",
            hint="Install it, or set COLAB_ESCAPE_PROGRAM to its file bin/colab-escape.cjs.",
        )
    file = os.path.realpath(found)
    if not os.path.isfile(file):
        raise ProgramMissing("There is no program %s." % found, code="no-program", hint="Check `program` or COLAB_ESCAPE_PROGRAM.")
    if not file.endswith((".cjs", ".mjs", ".js")):
        return [file]
    node = _on_path("node.exe" if os.name == "nt" else "node")
    if node is None:
        raise ProgramMissing("Node isn't installed: there is no `node` in PATH.", code="no-node", hint=_GET_NODE)
    return [node, file]


def _beside():
    """The program of the package that this file lies in. A copy in the current folder does not start its neighbours."""
    folder = os.path.dirname(os.path.realpath(__file__))
    file = os.path.join(os.path.dirname(folder), "bin", "colab-escape.cjs")
    return file if os.path.basename(folder) == "python" and folder != os.path.realpath("") and os.path.isfile(file) else None


_GET_NODE = "Install Node 22 (https://nodejs.org/en/download). colab-escape needs Node 20.19 or newer."
# what would change how the program and this module understand each other, or show a secret to others
_NOT_OPTIONS = {"json", "quiet", "verbose", "no_progress", "background", "background_record", "status", "stop", "token"}


def _flags(options):
    wrong = sorted(_NOT_OPTIONS.intersection(options))
    if wrong:
        other = "Set COLAB_ESCAPE_TOKEN instead." if wrong == ["token"] else "Use the command in a `!` line instead."
        raise UsageError("`%s` isn't an option of this function." % wrong[0], code="usage", hint=other, exit_code=2)
    flags = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            flags.append(flag)
        elif value is not None and value is not False:
            values = value if isinstance(value, (list, tuple)) else [value]
            flags += ["%s=%s" % (flag, os.fsdecode(each) if hasattr(each, "__fspath__") else each) for each in values]
    return flags


class _Run:
    """One run of the program, in a session of its own: an interrupt reaches it through `send` alone."""

    def __init__(self, command, positionals, flags, program=None):
        self.noise = collections.deque(maxlen=20)
        self.warnings = []
        self.result = self.error = None
        arguments = [command, "--json", *flags, "--", *map(os.fsdecode, positionals)]
        own_group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if os.name == "nt" else {"start_new_session": True}
        try:
            self.child = subprocess.Popen(
                _program(program) + arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                **own_group,
            )
        except (OSError, ValueError) as error:
            raise ColabEscapeError("colab-escape can't be started: %s." % error, code="io", hint="Check the arguments.") from error

    def events(self):
        for line in self.child.stdout:
            try:
                event = json.loads(line)
                kind = event["event"]
            except (ValueError, TypeError, KeyError):
                self.noise.append(line.rstrip())
                continue
            if kind == "result":
                self.result = event
            elif kind == "error":
                self.error = event
            elif kind == "warning":
                self.warnings.append(event["message"])
            yield event

    def send(self, number):
        if self.child.poll() is not None:
            return
        if os.name == "nt":
            number = signal.CTRL_BREAK_EVENT if number == signal.SIGINT else signal.SIGTERM
        try:
            self.child.send_signal(number)
        except OSError:
            pass  # it has ended meanwhile

    def interrupt(self):
        """Ends it as Ctrl-C does. The next interrupt ends it at once, and one more kills it."""
        for number in (signal.SIGINT, signal.SIGINT, getattr(signal, "SIGKILL", signal.SIGTERM)):
            self.send(number)
            try:
                for _ in self.events():
                    pass
                self.child.wait()
                break
            except KeyboardInterrupt:
                continue
        self.child.stdout.close()

    def outcome(self):
        """Its result. Raises what it failed with."""
        code = self.child.wait()
        self.child.stdout.close()
        if code == 0 and self.result is not None:
            return self.result
        raise self.failure(code)

    def failure(self, code):
        said = "\n".join(self.noise).strip()
        kind = _ERRORS.get(code, ColabEscapeError)
        if self.error is not None:
            told = self.error
            return kind(told["message"], told["code"], told.get("hint"), told.get("list") or (), code)
        if self.result is not None:
            left = self.result.get("failedFiles") or ["%(path)s: %(why)s" % each for each in self.result.get("notSaved", [])]
            text = "Not everything of %s was saved." % self.result.get("name")
            return kind(text, "partly", "The warnings say why. Everything else is saved.", left, code, self.result)
        if code < 0:
            return ColabEscapeError(
                "colab-escape was ended by signal %d before it was done." % -code,
                code="killed",
                hint="Run it again: it continues where it stopped.",
                exit_code=code,
            )
        if said.startswith("colab-escape needs Node"):
            return ProgramMissing(said, code="old-node", hint=_GET_NODE)
        return ColabEscapeError(said or "colab-escape ended without a result.", code="internal", exit_code=code)


class _Line:
    """Progress in one line, which is drawn over: in a notebook and on a terminal. Elsewhere nothing."""

    def __init__(self, progress=None):
        shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
        in_notebook = hasattr(shell, "kernel")
        self.stream = sys.stdout if in_notebook else sys.stderr
        self.on = (in_notebook or bool(self.stream and self.stream.isatty())) if progress is None else progress
        self.drawn = 0

    def draw(self, text):
        if self.on:
            self.stream.write("\r" + text[:78].ljust(self.drawn))
            self.stream.flush()
            self.drawn = len(text[:78])

    def clear(self):
        if self.drawn:
            self.draw("")
            self.stream.write("\r")
            self.stream.flush()
        self.drawn = 0

    def show(self, event):
        kind = event["event"]
        if kind == "progress":
            parts = [event["phase"].capitalize()]
            if event.get("totalBytes"):
                parts.append("%d %% of %s" % (100 * event.get("doneBytes", 0) / event["totalBytes"], _size(event["totalBytes"])))
            if event.get("storedBytes"):
                parts.append("%s to store" % _size(event["storedBytes"]))
            self.draw("  ".join(parts))
        elif kind == "waiting":
            self.draw("Waiting for the store: " + event["message"])
        elif kind == "warning" or (kind == "note" and self.on):
            self.clear()
            _tell("%s: %s" % (kind, event["message"]))


def _tell(text):
    print(text, file=sys.stderr, flush=True)


def _call(command, positionals, flags, program, progress):
    """The result of a command, and its warnings."""
    run = _Run(command, positionals, flags, program)
    line = _Line(progress)
    try:
        for event in run.events():
            line.show(event)
        result = run.outcome()
    except BaseException as thrown:
        line.clear()
        if run.child.poll() is None:
            run.interrupt()
        if isinstance(thrown, KeyboardInterrupt) and run.error:
            raise KeyboardInterrupt("%(message)s %(hint)s" % run.error) from None
        raise
    line.clear()
    return result, run.warnings


# The functions


def _metric_flags(metrics):
    return ["%s=%r" % (name, float(value)) for name, value in (metrics or {}).items()]


def push(path, name=None, message=None, metrics=None, tags=None, store=None, progress=None, program=None, **options) -> PushResult:
    """Saves a folder or file as the next version of its name. Only what changed is stored.

    `metrics` ({"val_loss": 0.31}) let you find the best version later. `tags` is a text or a list of texts.
    Raises PartlyDone if some files could not be read; the others are saved, and its `result` tells which version.
    """
    flags = _flags(dict(options, name=name, message=message, metric=_metric_flags(metrics), tag=tags, store=store))
    try:
        result, warnings = _call("push", [path], flags, program, progress)
    except PartlyDone as error:
        error.result = PushResult._of(error.result, warnings=[])
        raise
    return PushResult._of(result, warnings=warnings)


def pull(version, destination=None, store=None, progress=None, program=None, **options) -> PullResult:
    """Restores a version: "runs", "runs~1", "runs@best:val_loss", "runs@2h", or one that `log` or `push` returned.

    Never overwrites local content that no version has: it then raises WouldOverwrite and changes nothing.
    """
    where = [] if destination is None else [destination]
    result, warnings = _call("pull", [getattr(version, "spec", version), *where], _flags(dict(options, store=store)), program, progress)
    return PullResult._of(result, warnings=warnings)


def log(name=None, store=None, program=None, **options) -> List[Version]:
    """All versions, or those of one name, the newest first."""
    result, _ = _call("log", [] if name is None else [name], _flags(dict(options, store=store)), program, False)
    return [Version._of(each, files=each["counts"]["files"]) for each in result["versions"]]


def latest(name, store=None, program=None) -> Optional[Version]:
    """The newest version of a name; None if there is none."""
    try:
        return log(name, store=store, program=program)[0]
    except NotFound:
        return None


def resume(name, destination=None, best=None, store=None, progress=None, program=None, **options) -> Optional[PullResult]:
    """The first cell of a training: pulls the newest version of a name, or returns None if there is none yet.

    `best="val_loss"` takes the version with the lowest value instead, `best="max:acc"` the one with the highest. If the
    store can't be reached, or no version has that metric, it raises. For None a line says where nothing was found.
    """
    try:
        versions = log(name, store=store, program=program)
    except NotFound as error:
        _tell("Nothing to resume from: %s" % error)
        return None
    version = versions[0] if best is None else "%s@best:%s" % (name, best)
    return pull(version, name if destination is None else destination, store, progress, program, **options)


# Saving while something runs


class _Watch:
    """Made by `watch`. `versions` are those made so far; `warnings` is what went wrong and was tried again."""

    def __init__(self, path, flags, program=None):
        self.path, self.versions, self.warnings = path, [], []
        self._flags, self._program = flags, program
        self._watching = self._stopping = False
        self._began, self._ended = threading.Event(), threading.Event()

    def __enter__(self):
        self._run = _Run("watch", [self.path], self._flags, self._program)
        self.warnings = self._run.warnings
        threading.Thread(target=self._follow, name="colab-escape watch", daemon=True).start()
        try:
            while not self._began.wait(0.5):
                pass
        except BaseException:
            self._stop()
            raise
        if not self._watching:
            self._run.outcome()
        return self

    def _follow(self):
        line = _Line()
        for event in self._run.events():
            if self._stopping or event["event"] != "progress":  # while the body runs, its output is what counts
                line.show(event)
            if event["event"] == "watching":
                self._watching = True
                self._began.set()
            elif event["event"] == "saved":
                self.versions.append(Saved._of(event))
        line.clear()
        code = self._run.child.wait()
        if self._watching and not self._stopping:
            _tell("warning: %s is not watched any more. %s" % (self.path, self._run.failure(code)))
        self._ended.set()
        self._began.set()

    def _stop(self):
        """Lets it make its last version. Each further interrupt is less patient."""
        self._stopping = True
        interrupted = None
        for number in (signal.SIGINT, signal.SIGINT, getattr(signal, "SIGKILL", signal.SIGTERM)):
            self._run.send(number)
            try:
                while not self._ended.wait(0.5):
                    pass
                break
            except KeyboardInterrupt as error:
                interrupted = error
        if interrupted:
            raise interrupted

    def __exit__(self, kind, value, traceback):
        self._stop()
        try:
            self._run.outcome()
        except ColabEscapeError as error:
            if kind is None:
                raise
            _tell("warning: %s" % error)  # the exception of the body must not be lost


def watch(path, name=None, message=None, tags=None, store=None, program=None, grace="1h", **options) -> _Watch:
    """Saves a folder whenever files in it are finished, while the body of `with` runs, and a last time at its end.

        with colab_escape.watch("runs", keep_last=5, metrics_from="runs/log.jsonl"):
            train()

    The last version is also made after an exception and after an interrupt. If the store can't be reached then, it is
    tried again for the time `grace`; another interrupt ends that. If Python itself is killed, the watch makes a last
    version and ends.
    """
    given = dict(options, name=name, message=message, tag=tags, store=store, grace=grace, until_exit=os.getpid())
    return _Watch(path, _flags(given), program)


class Saver:
    """Saves a folder in the background, whenever `save` is called: never makes a training wait.

        saver = colab_escape.Saver("runs", keep_last=5)
        for epoch in range(10):
            ...
            torch.save(model.state_dict(), f"runs/epoch-{epoch}.pt")
            saver.save(metrics={"val_loss": loss})

    A call that comes while a save is under way is carried out after it; of several such calls only the last one.
    Python ends only after the last save. What fails is printed, kept in `error`, and raised by `close`; the next `save`
    tries again. Write a file under a name of its own, or under another name and rename it: one that is overwritten
    while it is being saved is taken from the version before, which `error` tells.
    """

    def __init__(self, path, name=None, message=None, tags=None, store=None, program=None, **options):
        _flags(options)
        self.path = path
        self._message = message
        self._options = dict(options, name=name, store=store, program=program)
        self._tags = [] if tags is None else [tags] if isinstance(tags, str) else [*tags]
        self._lock = threading.Lock()
        self._next = self._thread = None
        self.last = None  # the PushResult of the newest save
        self.error = None  # why the newest save failed

    def save(self, metrics=None, message=None, tags=None):
        """Returns at once."""
        more = [] if tags is None else [tags] if isinstance(tags, str) else [*tags]
        numbers = {key: float(value) for key, value in (metrics or {}).items()}
        save = {"metrics": numbers, "message": message or self._message, "tags": self._tags + more}
        with self._lock:
            self._next = save
            if self._thread is None:
                # Python waits for it at its end, because it is no daemon
                self._thread = threading.Thread(target=self._work, name="colab-escape saver")
                self._thread.start()

    def _work(self):
        while True:
            with self._lock:
                save, self._next = self._next, None
                if save is None:
                    self._thread = None
                    return
            try:
                self.last, self.error = push(self.path, progress=False, **save, **self._options), None
            except Exception as error:
                self.error = error
                self.last = getattr(error, "result", None) or self.last
                _tell("warning: saving %s failed: %s" % (self.path, error))

    def wait(self, timeout=None):
        """Waits until all is saved. False if it isn't, because something failed or `timeout` (s) is over."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return self.error is None and self._thread is None

    def close(self):
        """Waits until all is saved, and raises what the last save failed with."""
        self.wait()
        if self.error is not None:
            raise self.error

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if kind is None:
            self.close()
        else:
            self.wait()


# Callbacks. Each library is looked for when its callback is made, so that none is needed for the others.


def _library(*names):
    """The one of these modules that the program uses already, else the first that is installed."""
    for name in names:
        if name in sys.modules:
            return sys.modules[name]
    for name in names:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    raise ImportError("none of these is installed: " + ", ".join(names))


def _numbers(values):
    """Metrics as versions can have them: what is no number is left out, and odd names are written with `_`."""
    found = {}
    for name, value in (values or {}).items():
        try:
            number = float(value)
        except (TypeError, ValueError):
            continue
        if number - number == 0 and len(found) < 100:  # neither NaN nor infinite
            found[re.sub(r"^(?=[^A-Za-z_])", "_", re.sub(r"[^A-Za-z0-9_./-]", "_", str(name)))[:64]] = number
    return found


def lightning_callback(path, **options):
    """For `Trainer(callbacks=[...])`: saves `path` after each validation and epoch, with their metrics, and at the end.

    Takes the arguments of `Saver`. A save begins with the next batch, when the checkpoint of Lightning is written.
    """
    library = _library("lightning.pytorch", "pytorch_lightning")

    class ColabEscape(library.Callback):
        def __init__(self):
            super().__init__()
            self.saver = Saver(path, **options)
            self.due = None

        def _measure(self, trainer, *_):
            if trainer.is_global_zero and not trainer.sanity_checking:
                self.due = {**(self.due or {}), **_numbers(trainer.callback_metrics)}

        def _save(self, trainer, *_):
            if self.due is not None:
                self.saver.save(metrics=self.due, message="epoch %d, step %d" % (trainer.current_epoch, trainer.global_step))
                self.due = None

        def _finish(self, trainer, *_):
            self._measure(trainer)
            self._save(trainer)
            self.saver.wait()

        # as functions of their own, because Lightning looks for the hooks that a class overrides
        def on_validation_end(self, trainer, pl_module):
            self._measure(trainer)

        def on_train_epoch_end(self, trainer, pl_module):
            self._measure(trainer)

        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx, *_):
            self._save(trainer)

        def on_fit_end(self, trainer, pl_module):
            self._finish(trainer)

        def on_exception(self, trainer, pl_module, exception):
            self._finish(trainer)

    return ColabEscape()


def keras_callback(path, **options):
    """For `model.fit(callbacks=[...])`: saves `path` after each epoch, with its metrics. Takes the arguments of `Saver`.

    A save begins with the next epoch, when all other callbacks have written their files.
    """
    library = _library("keras", "tensorflow.keras", "tf_keras")

    class ColabEscape(library.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.saver = Saver(path, **options)
            self.due = None

        def _save(self):
            if self.due is not None:
                self.saver.save(**self.due)
                self.due = None

        def on_epoch_end(self, epoch, logs=None):
            self.due = {"metrics": _numbers(logs), "message": "epoch %d" % (epoch + 1)}

        def on_epoch_begin(self, epoch, logs=None):
            self._save()

        def on_train_end(self, logs=None):
            self._save()
            self.saver.wait()

    return ColabEscape()


def transformers_callback(path, **options):
    """For `Trainer(callbacks=[...])` of Hugging Face: saves `path`, the Trainer's `output_dir`, after each checkpoint.

    Takes the arguments of `Saver`. The metrics are those last logged and evaluated.
    """
    library = _library("transformers")

    def measured(logs):
        speeds = ("_runtime", "_per_second", "total_flos")
        return {name: value for name, value in _numbers(logs).items() if not name.endswith(speeds)}

    class ColabEscape(library.TrainerCallback):
        def __init__(self):
            self.saver = Saver(path, **options)
            self.metrics = {}

        def on_log(self, args, state, control, logs=None, **_):
            self.metrics.update(measured(logs))

        def on_evaluate(self, args, state, control, metrics=None, **_):
            self.metrics.update(measured(metrics))

        def on_save(self, args, state, control, **_):
            if state.is_world_process_zero:
                self.saver.save(metrics=self.metrics, message="step %d" % state.global_step)

        def on_train_end(self, args, state, control, **_):
            self.on_save(args, state, control)
            self.saver.wait()

    return ColabEscape()


# Notebooks: `%load_ext colab_escape`


class _MagicError(ColabEscapeError):
    def _render_traceback_(self):  # what IPython shows: no trace of this module
        return ["error: " + str(self)]


def _magic(shell):
    def colab_escape(line, cell=None):
        """%colab_escape COMMAND ... runs a command of colab-escape. Unlike after a `!` line, a failure stops "Run all".

        %%colab_escape watch PATH ... saves a folder while the rest of the cell runs.
        """
        __tracebackhide__ = True
        words = shlex.split(line, posix=os.name != "nt")
        if cell is None:
            try:
                _show(words)
            except ProgramMissing as error:
                raise _MagicError(error.message, error.code, error.hint) from None
        elif words[:1] == ["watch"] and len(words) > 1:
            # its own options first, so that those of the cell count
            own = ["--grace=1h", "--until-exit=%d" % os.getpid(), *words[2:]]
            with _Watch(words[1], own):
                return _run_cell(shell, cell)
        else:
            raise _MagicError("Write `%%colab_escape watch PATH` above the code.", code="usage", exit_code=2)

    return colab_escape


def _show(words):
    """Runs a command as a person would, its progress in one line."""
    own_group = {} if os.name == "nt" else {"start_new_session": True}
    piped = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    child = subprocess.Popen(_program() + words, encoding="utf-8", errors="replace", **piped, **own_group)
    line, said = _Line(True), []

    def follow():
        for text in child.stderr:
            if re.match(r"(warning|note): ", text):
                line.clear()
                print(text, end="", flush=True)
            elif said or text.startswith("error: "):
                said.append(text.rstrip())
            else:
                line.draw(text.strip())

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        for text in child.stdout:
            line.clear()
            print(text, end="", flush=True)
        child.wait()
    except KeyboardInterrupt:
        if os.name != "nt":
            child.send_signal(signal.SIGINT)
        child.wait()
        raise
    finally:
        if child.poll() is None:
            child.kill()
        follower.join(5)
        line.clear()
        child.stdout.close()
        child.stderr.close()
    if child.returncode != 0:
        hint = [text[5:] for text in said if text.startswith("  -> ")]
        message = said[0][7:] if said else "colab-escape %s ended with exit code %d." % (words[:1], child.returncode)
        listed = [text.strip() for text in said[1:] if not text.startswith("  -> ")]
        raise _MagicError(message, hint=hint[0] if hint else None, list=listed, exit_code=child.returncode)


def _run_cell(shell, cell):
    """Runs the code of a cell in the notebook's own variables. Returns the value of its last expression."""
    __tracebackhide__ = True
    source = shell.transform_cell(cell)
    name = shell.compile.cache(source)
    tree = ast.parse(source, name)
    last = ast.Expression(tree.body.pop().value) if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), shell.user_ns)
    return None if last is None else eval(compile(last, name, "eval"), shell.user_ns)


def load_ipython_extension(shell):
    shell.register_magic_function(_magic(shell), "line_cell", "colab_escape")
