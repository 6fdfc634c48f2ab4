"""The study: prepare, baselines, search, confirmation. Controller only; every number comes from a runner."""

from __future__ import annotations

from dataclasses import asdict, replace

import optuna

from autotuner.errors import UserCodeError
from autotuner.measure.messages import Ceiling, Timing
from autotuner.measure.observer import Observer
from autotuner.measure.outcome import Failure
from autotuner.measure.records import StudyInfo, TrialRecord, mean_wall_seconds
from autotuner.measure.result import Verdict
from autotuner.measure.runner import Runner
from autotuner.pipeline import Configuration
from autotuner.rewrites import natural_preserve
from autotuner.search.baselines import BASELINES, baseline_configurations, expert_guesses
from autotuner.search.budget import Budget
from autotuner.search.ceiling import AT_CEILING, costs_nothing, is_at_ceiling
from autotuner.search.closing import FRESH_SECONDS, closing_seconds
from autotuner.search.conclusion import Conclusion, Prepared, StudyPlan
from autotuner.search.confirmation import (
    ROUNDS,
    Confirmation,
    Decided,
    confirm,
    confirming,
    decide,
)
from autotuner.search.finalists import (
    affordable,
    contestants,
    fastest_trials,
    screened,
    stored_ablation,
)
from autotuner.search.reasons import BOTTLENECK, reason_of
from autotuner.search.reference import noise_note
from autotuner.search.rounds import StoredRounds
from autotuner.search.store import StudyStore, role_of
from autotuner.search.trials import Trials
from autotuner.space import SearchSpace

_MOST_DUPLICATES = 25
"""So many suggestions in a row that were measured before mean that the space is exhausted."""
_LONGEST_WAIT_SECONDS = 10.0
_LOOK = Timing(window_seconds=0.7, longest_seconds=1.0)


class Study:
    """Runs one study from its present state to a conclusion; can be interrupted and run again at any point."""

    def __init__(self, runner: Runner, store: StudyStore, plan: StudyPlan, budget: Budget, observer: Observer) -> None:
        self._runner = runner
        self._store = store
        self._plan = plan
        self._budget = budget
        self._observer = observer

    def run(self, prepared: Prepared | None = None) -> Conclusion:
        """The whole flow; ``prepared`` is what the runner opened, where it was opened before.

        Raises:
            UserCodeError: the pipeline as written does not run.
            StudyError: the stored study is another one.
        """
        if prepared is None:
            self._observer.phase_started("prepare")
            prepared = Prepared.of(self._runner.open())
        space = self._space(prepared)
        info = self._info(prepared, space)
        self._store.claim(self._identity(info, space))
        self._store.remember("info", asdict(info))
        self._store.close_interrupted()
        self._budget.resume_after(float(self._store.recall("elapsed_seconds") or 0.0))
        self._observer.study_started(info, self._store.records())
        for text in prepared.opened.calibrated.warnings:
            self._observer.message(text)
        self._observer.phase_started("baselines")
        trials = self._trials(prepared, space)
        self._measure_baselines(trials)
        if self._at_ceiling(trials):
            return self._conclusion(info, trials, _kept(trials), BOTTLENECK)
        self._search(trials)
        return self._confirmed(info, trials)

    def _space(self, prepared: Prepared) -> SearchSpace:
        natural = natural_preserve(prepared.pipeline)
        preserve = self._plan.preserve or self._plan.preset.preserve or natural
        return SearchSpace.of(prepared.decisions, self._plan.preset, self._plan.machine, preserve)

    def _info(self, prepared: Prepared, space: SearchSpace) -> StudyInfo:
        return StudyInfo(
            name=self._plan.name,
            folder=self._plan.folder,
            dataset_target=self._plan.dataset_target,
            model_target=self._plan.model_target,
            preset=self._plan.preset.name,
            epochs=self._plan.epochs,
            steps_per_epoch=prepared.opened.calibrated.steps_per_epoch,
            decisions={decision.name: decision.status_quo for decision in space.decisions},
            machine=self._plan.machine.to_json(),
            pipeline_signature=prepared.pipeline.signature(),
        )

    def _identity(self, info: StudyInfo, space: SearchSpace) -> dict[str, object]:
        return {
            "pipeline": info.pipeline_signature,
            "machine": self._plan.machine.fingerprint,
            "epochs": info.epochs,
            "state of the page cache": "cold" if self._plan.cold else "as it is",
            "search space": {name: list(domain) for name, domain in space.domains.items()},
        }

    def _trials(self, prepared: Prepared, space: SearchSpace) -> Trials:
        ceiling = self._store.recall("ceiling_steps_per_second") or self._ceiling(self._plan.timing).steps_per_second
        trials = Trials(
            runner=self._runner,
            store=self._store,
            observer=self._observer,
            budget=self._budget,
            prepared=prepared,
            space=space,
            timing=self._plan.timing,
        )
        trials.raise_ceiling(float(ceiling))
        return trials

    def _ceiling(self, timing: Timing) -> Ceiling:
        answer = self._runner.ceiling(timing)
        if isinstance(answer, Failure):
            raise UserCodeError(
                f"the model cannot be fitted: {answer.message}",
                "model.fit on one batch of the dataset fails in the same way",
                answer.user_traceback,
            )
        return answer

    def _measure_baselines(self, trials: Trials) -> None:
        wanted = baseline_configurations(trials.prepared.decisions, self._plan.machine.cores)
        done = {record.role for record in self._store.records()}
        for role in BASELINES:
            if role in done:
                continue
            record = trials.measure(len(self._store.records()), role, wanted[role])
            self._store.add(record, trials.space)
            trials.finished(record)
            if role == "as_written" and isinstance(record.outcome, Failure):
                break
        as_written = next(record for record in self._store.records() if record.role == "as_written")
        if isinstance(as_written.outcome, Failure):
            raise UserCodeError(
                f"the pipeline as written does not train: {as_written.outcome.message}",
                f"autotuner needs a pipeline that works; the worker's log is in {self._plan.folder}",
                as_written.outcome.user_traceback,
            )

    def _at_ceiling(self, trials: Trials) -> bool:
        if costs_nothing(trials.prepared.opened.calibrated, trials.ceiling_steps_per_second):
            return True
        best = trials.baselines()[0]

        def look() -> tuple[float, float] | None:
            ceiling = self._ceiling(_LOOK).steps_per_second
            trials.raise_ceiling(ceiling)
            again = self._runner.measure(best.configuration, _LOOK)
            return None if isinstance(again, Failure) else (again.steps_per_second, ceiling)

        return is_at_ceiling(_steps_per_second(best) / trials.ceiling_steps_per_second, look)

    def _search(self, trials: Trials) -> None:
        self._observer.phase_started("search")
        self._budget.start_search()
        if not trials.space.domains:
            return
        prepared = trials.prepared
        if not self._store.recall("guessed"):
            for guess in expert_guesses(trials.space, prepared.decisions, prepared.facts, self._plan.machine.cores):
                self._store.enqueue(guess, trials.space)
            self._store.remember("guessed", True)  # noqa: FBT003 - a stored fact
        duplicates = 0

        def objective(trial: optuna.Trial, configuration: Configuration) -> TrialRecord | int:
            nonlocal duplicates
            if (known := trials.known(configuration)) is not None:
                duplicates += 1
                return known.number
            duplicates = 0
            return trials.measure(trial.number, role_of(trial), configuration)

        while duplicates < _MOST_DUPLICATES and self._goes_on(trials):
            record = self._store.run_one(trials.space, objective)
            if record is not None:
                trials.finished(record)

    def _goes_on(self, trials: Trials) -> bool:
        records, measured = self._store.records(), trials.measured()
        walls = [record.finished_at_seconds - record.started_at_seconds for record in records]
        self._budget.reserve(closing_seconds(mean_wall_seconds(records), len(measured[0].configuration)))
        # A baseline that looked as fast was looked at again, and is not.
        tried = next((record for record in measured if record.role not in BASELINES), None)
        if tried is not None and _steps_per_second(tried) >= AT_CEILING * trials.ceiling_steps_per_second:
            return False
        return self._budget.allows(len(records), min(max(walls), _LONGEST_WAIT_SECONDS))

    def _confirmed(self, info: StudyInfo, trials: Trials) -> Conclusion:
        finalists = fastest_trials(trials)
        if not finalists:
            return self._nothing_to_confirm(info, trials)
        self._observer.phase_started("ablate")
        finalists = screened(trials, finalists, self._budget.has_time_to_spare)
        ablation = stored_ablation(trials, finalists[0], self._budget)
        field = contestants(trials, finalists, ablation)
        field = affordable(field, self._budget.left_seconds, ROUNDS * self._fresh_seconds())
        self._observer.phase_started("confirm")
        confirmation = confirm(
            self._runner,
            field,
            confirming(self._plan.timing),
            rounds=StoredRounds(self._store, field),
            may_extend=self._budget.has_time,
            measured=self._observer.confirmation_round_finished,
        )
        trials.keep_time()
        decided = decide(confirmation, field)
        conclusion = self._conclusion(info, trials, decided, reason_of(decided), confirmation)
        applies = decided.winner is not None and decided.winner.configuration == ablation.reduced
        return replace(conclusion, ablation=ablation.entries if applies else ())

    def _fresh_seconds(self) -> float:
        return mean_wall_seconds(self._store.records()) + FRESH_SECONDS

    def _nothing_to_confirm(self, info: StudyInfo, trials: Trials) -> Conclusion:
        """Only a search that took place may say that there is nothing to gain."""
        if not trials.space.domains:
            return self._conclusion(info, trials, _kept(trials), "nothing about this pipeline can be changed")
        if any(record.role not in BASELINES for record in self._store.records()):
            return self._conclusion(info, trials, _kept(trials), "no trial was faster than the best baseline")
        untried = Decided(Verdict.INCONCLUSIVE, None, trials.baselines()[0].role, None)
        return self._conclusion(info, trials, untried, "nothing was left of the budget for a trial after the baselines")

    def _conclusion(
        self,
        info: StudyInfo,
        trials: Trials,
        decided: Decided,
        reason: str,
        confirmation: Confirmation | None = None,
    ) -> Conclusion:
        return Conclusion(
            info=info,
            prepared=trials.prepared,
            records=self._store.records(),
            ceiling_steps_per_second=trials.ceiling_steps_per_second,
            best_baseline=decided.over or trials.baselines()[0].role,
            verdict=decided.verdict,
            reason=reason,
            decided=decided,
            confirmation=confirmation or Confirmation(()),
            wall_seconds=self._budget.elapsed_seconds,
            timed_seconds=trials.timed_seconds,
            notes=_noise(trials, confirmation, decided),
        )


def _noise(trials: Trials, confirmation: Confirmation | None, decided: Decided) -> tuple[str, ...]:
    """That the machine is noisy, where the search or the confirmation showed it."""
    looks = noise_note(trials.reference.seconds)
    if confirmation is not None and decided.over:
        looks = looks or noise_note(confirmation.seconds(decided.over))
    return (looks,) if looks else ()


def _kept(trials: Trials) -> Decided:
    return Decided(Verdict.KEEP_BASELINE, None, trials.baselines()[0].role, None)


def _steps_per_second(record: TrialRecord) -> float:
    return record.measurement.steps_per_second if record.measurement else 0.0
