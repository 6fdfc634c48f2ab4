"""Writes a rewrite into the user's own source: the smallest edits at the calls that were recorded."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from autotuner.emit.attribution import decided
from autotuner.emit.call_edits import argument_edits, argument_node
from autotuner.emit.comments import comment
from autotuner.emit.differences import Changed, Differences, LeftOut, Placed, counted, differences
from autotuner.emit.expressions import COUNTED, Expressions
from autotuner.emit.insertions import NAME, Link, comment_place, insert_after, insert_before, told_once
from autotuner.emit.materialised import NAME as NAME_OF_ROWS
from autotuner.emit.materialised import Materialised
from autotuner.emit.patched_file import PatchedFile
from autotuner.emit.refusal import Unemittable
from autotuner.emit.removals import remove, trailing_comment
from autotuner.emit.signatures import PASSED_ON, VARIADIC, positional
from autotuner.emit.sites import Read, RefusedError, Site, Sites, called_name
from autotuner.emit.source_text import Edit, edited
from autotuner.emit.unified import unified_diff
from autotuner.emit.untaken import untaken_branch
from autotuner.pipeline import Configuration, InputCardinality, Op, Pipeline
from autotuner.rewrites.cache import AFTER
from autotuner.rewrites.materialise import AFTER as AFTER_ROWS


@dataclass(frozen=True)
class EmittedPatch:
    """The changed files, whole, and the difference as ``git apply`` takes it."""

    files: Mapping[str, str]
    """By absolute path; with the line ends of the original."""
    root: str
    """The folder that the paths of the difference start from."""
    diff: str


def emit_patch(
    recorded: Pipeline, rewritten: Pipeline, *, configuration: Configuration, effects: Mapping[str, str], read: Read
) -> EmittedPatch | Unemittable:
    """The edits that make ``recorded``'s source build ``rewritten``, or every reason why there are none.

    Args:
        recorded: what the source builds.
        rewritten: what it is to build.
        configuration: what was decided, for the comments.
        effects: decision → what it was measured to buy.
        read: gives the bytes of a file; raises OSError where there is none.
    """
    writer = _Writer(recorded, rewritten, Sites(recorded, read), configuration, effects)
    files = writer.files()
    if writer.reasons:
        return Unemittable(tuple(dict.fromkeys(writer.reasons)))
    before = {path: file.source.data for path, file in files.items()}
    try:
        after = {path: file.patched() for path, file in files.items()}
    except RefusedError as error:
        return Unemittable((str(error),))
    root, diff = unified_diff(before, after)
    return EmittedPatch({path: data.decode() for path, data in after.items()}, root, diff)


class _Writer:
    def __init__(
        self,
        recorded: Pipeline,
        rewritten: Pipeline,
        sites: Sites,
        configuration: Configuration,
        effects: Mapping[str, str],
    ) -> None:
        self.reasons: list[str] = []
        self._recorded = recorded
        self._rewritten = rewritten
        self._sites = sites
        self._materialised = Materialised.of(rewritten)
        self._configuration = configuration
        self._decided = decided(recorded, rewritten, configuration)
        self._effects = effects
        self._files: dict[str, PatchedFile] = {}
        self._expressions: dict[str, Expressions] = {}

    def files(self) -> dict[str, PatchedFile]:
        """Every file that changes."""
        folded = self._rewritten
        if self._materialised is not None:
            folded = self._materialised.folded(self._rewritten, self._recorded)
        found = differences(self._recorded, folded)
        with self._refusals():
            if found.reason:
                raise RefusedError(found.reason)
            structural = found.structural or self._materialised is not None
            if structural and (reason := untaken_branch(self._sites.all())):
                raise RefusedError(reason)
        if self.reasons:
            return {}
        moved = {op.label for place in found.placed for op in place.ops}
        for path, changes in found.arguments.items():
            if path.partition("/")[0] not in moved:
                with self._refusals():
                    self._change(path, changes, found)
        for place in found.placed:
            with self._refusals():
                self._place(place, found)
        with self._refusals():
            self._remove(found)
            if self._materialised is not None:
                self._batch_rows(self._materialised)
        return self._files

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except RefusedError as error:
            self.reasons.append(str(error))

    def _file(self, site: Site) -> tuple[PatchedFile, Expressions]:
        path = site.source.path
        if path not in self._files:
            self._files[path] = PatchedFile(site.source)
            self._expressions[path] = Expressions(self._recorded, self._sites, self._files[path])
        return self._files[path], self._expressions[path]

    def _change(self, path: str, changes: Changed, found: Differences) -> None:
        """Arguments of a call that stays in its place, or of the one that makes it and hands them on."""
        site, others = self._sites.find(path), self._sites.sharing(path)
        names: Mapping[str, str] = {} if site.own else PASSED_ON.get((called_name(site.node), site.op.kind), {})
        if changes.keys() <= names.keys():
            others = [other for other in others if self._sites.find(other).op.kind == site.op.kind]
        else:
            site, names = self._own(path), {}
        for other in others:
            if dict(found.arguments.get(other, {})) != dict(changes):
                raise RefusedError(f"{site.place} makes {path} and {other}, which would need different edits")
        if others[0] != path:
            return  # one edit serves all that the call makes
        file, _ = self._file(site)
        edits, wraps = self._argument_edits(site, changes, names)
        end = site.source.end(site.node)
        if wraps:
            file.edit(Edit(site.dot, site.dot, ".apply(lambda ds: ds"), *edits, Edit(end, end, ")"))
        else:
            file.edit(*edits)
        file.tell(end, self._comment(path, changes), comment_place(site, site.source.statement(site.node)))

    def _argument_edits(self, site: Site, changes: Changed, names: Mapping[str, str]) -> tuple[list[Edit], bool]:
        """The edits, and whether the call has to be wrapped to be able to name its own input.

        ``names`` holds what an argument is called in the user's call, where that is another name.
        """
        _, expressions = self._file(site)
        named = site.is_method and isinstance(site.receiver, ast.Name)
        receiver = site.receiver.id if named else "ds"  # type: ignore[attr-defined]
        texts = {
            names.get(name, name): None if isinstance(value, LeftOut) else expressions.value(value, name, receiver)
            for name, value in changes.items()
        }
        wraps = not named and any(isinstance(value, InputCardinality) for value in changes.values())
        kind = called_name(site.call) if names else site.op.kind
        return argument_edits(site.source, site.call, kind, texts), wraps

    def _batch_rows(self, made: Materialised) -> None:
        """One call in place of the user's batch."""
        site = self._alone(made.batch.label)
        file, expressions = self._file(site)
        size, drop = (argument_node(site.call, "batch", name) for name in ("batch_size", "drop_remainder"))
        if drop is not None and not isinstance(drop, ast.Constant):
            raise RefusedError(f"{site.place}: drop_remainder is an expression, which a patch would fix as it was")
        sized = size is not None and not isinstance(size, ast.Constant)
        name = expressions.helper(made.source(expressions, "batch_size" if sized else ""), NAME_OF_ROWS)
        end = site.source.end(site.node)
        given = f"lambda rows: {name}(rows, {site.source.node_text(size)})" if sized and size else name
        file.edit(Edit(site.dot, end, f".apply({given})"))
        decisions = [AFTER_ROWS, f"{made.batch.label}.num_parallel_calls"]
        told = comment([name for name in decisions if name in self._configuration], self._configuration, self._effects)
        file.tell(end, told, comment_place(site, site.source.statement(site.node)))

    def _own(self, path: str) -> Site:
        site = self._sites.find(path)
        if not site.own:
            raise RefusedError(f"{path} is made inside {called_name(site.node) or 'a call'}, {site.place}")
        return site

    def _alone(self, label: str) -> Site:
        """The site of an op whose call makes nothing else."""
        site = self._own(label)
        if len(self._sites.sharing(label)) > 1:
            others = ", ".join(self._sites.sharing(label))
            raise RefusedError(f"{site.place} makes {others}, and only one of them would change its place")
        return site

    def _remove(self, found: Differences) -> None:
        by_file: dict[str, list[Site]] = {}
        for label in found.removed:
            site = self._alone(label)
            by_file.setdefault(site.source.path, []).append(site)
        for sites in by_file.values():
            remove(self._file(sites[0])[0], sites)

    def _place(self, place: Placed, found: Differences) -> None:
        moved = [self._alone(op.label) for op in place.ops if op.label in self._recorded]
        reasons: list[str] = []
        for label, insert in ((place.after, insert_after), (place.before, insert_before)):
            try:
                site = self._anchor(label, moved, behind=insert is insert_after)
                file, _ = self._file(site)
                links = [self._link(op, site, found) for op in place.ops]
                insert(file, site, told_once(self._together(place, links)))
            except RefusedError as error:
                reasons.append(str(error))
            else:
                return
        raise RefusedError(next(filter(None, reasons), "there is no call beside which it could be put"))

    def _together(self, place: Placed, links: list[Link]) -> list[Link]:
        """``links`` with those in one that say the number of elements of what the first of them reads."""
        groups = counted(self._rewritten)
        made: list[Link] = []
        for _, items in itertools.groupby(zip(place.ops, links, strict=True), lambda item: groups.get(item[0].label)):
            row = [link for _, link in items]
            if not any(COUNTED in link.text for link in row):
                made += row
                continue
            chain = "".join(link.chained() for link in row).replace(COUNTED, "ds")
            told = "; ".join(dict.fromkeys(filter(None, (link.comment for link in row))))
            setup = tuple(line for link in row for line in link.setup)
            made.append(Link(f".apply(lambda ds: ds{chain})", told, setup))
        return made

    def _anchor(self, label: str, moved: list[Site], *, behind: bool) -> Site:
        """The call beside which new ones are put."""
        if not label:
            raise RefusedError("")
        site = self._sites.find(label) if behind else self._alone(label)
        sharing = self._sites.sharing(label)
        if not behind and len(self._recorded.consumers(site.op.receiver or "")) > 1:
            raise RefusedError(f"what {label} reads is read elsewhere as well")
        if len(sharing) > 1 and (site.own or sharing[-1] != label):
            raise RefusedError(f"{site.place} makes {', '.join(sharing)}, and only {label} would be followed by more")
        here = site.source.conditions(site.node)
        for other in moved:
            if other.source is not site.source or other.source.conditions(other.node) != here:
                raise RefusedError(
                    f"{other.op.label} ({other.place}) and {label} ({site.place}) stand under different conditions"
                )
        return site

    def _link(self, op: Op, anchor: Site, found: Differences) -> Link:
        decisions = self._comment(op.label, found.arguments.get(op.label, {}), op)
        if op.label in self._recorded:
            site = self._alone(op.label)
            decisions = "moved behind the cache" if op.kind == "shuffle" and op.decision == AFTER else decisions
            told = "; ".join(filter(None, (trailing_comment(site), decisions)))
            return Link(self._moved_text(site, op, found), told)
        file, expressions = self._file(anchor)
        options = op.argument("options")
        if op.kind == "with_options" and isinstance(options, dict):
            name = "options" if "options" not in file.source.names_at(anchor.node) else "tuned_options"
            return Link(f".with_options({name})", decisions, tuple(expressions.options(options, name)))
        return Link(f".{op.kind}({', '.join(self._arguments(op, expressions))})", decisions)

    def _moved_text(self, site: Site, op: Op, found: Differences) -> str:
        _, expressions = self._file(site)
        texts = {
            name: None if isinstance(value, LeftOut) else expressions.value(value, name, NAME)
            for name, value in found.arguments.get(op.label, {}).items()
        }
        inner = [path for path in found.arguments if path.startswith(f"{op.label}/")]
        if inner:
            raise RefusedError(f"{op.label} moves and changes inside its function")
        start, end = site.dot, site.source.end(site.node)
        edits = argument_edits(site.source, site.call, op.kind, texts)
        shifted = [Edit(edit.start - start, edit.end - start, edit.text) for edit in edits]
        return edited(site.source.data[start:end], shifted).decode()

    def _arguments(self, op: Op, expressions: Expressions) -> Iterator[str]:
        given = dict(op.arguments)
        if op.kind in VARIADIC:
            raise RefusedError(f"{op.label} joins several datasets")
        for name in positional(op.kind):
            if name not in given:
                break
            yield expressions.value(given.pop(name), name, NAME)
        for name, value in given.items():
            yield f"{name}={expressions.value(value, name, NAME)}"

    def _comment(self, path: str, changes: Changed, op: Op | None = None) -> str:
        decisions = [self._decided[path, name] for name in changes if (path, name) in self._decided]
        made = op or self._rewritten.at(path)
        return comment(
            [*(made.decision.split(", ") if made.decision else ()), *decisions], self._configuration, self._effects
        )
