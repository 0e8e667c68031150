"""What every planner keeps."""

import contextlib
from collections.abc import Generator

from bridge.messages import Latent, Plan, PlanRequest, Thought
from bridge.protocols import Planner
from bridge.testing.examples import example_request


class PlannerContract:
    """For a `Planner`. Override `make`; set `goal_text` to a goal it can plan for."""

    goal_text = "put the cube into the drawer"

    def make(self) -> Planner:
        """A new planner."""
        raise NotImplementedError

    def request(self, planner: Planner) -> PlanRequest:
        """A request it can answer; override to show other images."""
        return example_request(planner.spec, goal_text=self.goal_text)

    def test_meets_the_protocol(self) -> None:
        """It has every verb of `Planner`, and its spec is constant."""
        with _closing(self.make()) as planner:
            assert isinstance(planner, Planner)
            assert planner.spec == planner.spec

    def test_yields_one_plan_with_the_ids_of_the_request(self) -> None:
        """Exactly one plan comes, and plan and thoughts carry the ids they were asked under."""
        with _closing(self.make()) as planner:
            request = self.request(planner)
            results = list(planner.plan(request))
        plans = [result for result in results if isinstance(result, Plan)]
        thoughts = [result for result in results if isinstance(result, Thought)]
        assert len(plans) == 1
        assert (plans[0].id, plans[0].goal_id) == (request.plan_id, request.goal.id)
        assert {thought.plan_id for thought in thoughts} <= {request.plan_id}

    def test_subtasks_can_be_told_apart(self) -> None:
        """A plan has a subtask unless the goal is done; ids differ, texts say something."""
        with _closing(self.make()) as planner:
            results = list(planner.plan(self.request(planner)))
        plan = next(result for result in results if isinstance(result, Plan))
        assert plan.subtasks or plan.goal_done
        assert len({subtask.id for subtask in plan.subtasks}) == len(plan.subtasks)
        assert all(subtask.text and subtask.timeout_s > 0 for subtask in plan.subtasks)

    def test_latents_fit_the_declared_spec(self) -> None:
        """Latents have the declared shape, and the stamp and episode of the observation."""
        with _closing(self.make()) as planner:
            request = self.request(planner)
            results = list(planner.plan(request))
            spec = planner.spec.latent
        latents = [result for result in results if isinstance(result, Latent)]
        assert bool(latents) == (spec is not None)
        for latent in latents:
            assert spec is not None
            spec.validate(latent)
            assert latent.observation_stamp_ns == request.observation.stamp_ns
            assert latent.ready_stamp_ns >= latent.observation_stamp_ns
            assert latent.episode_id == request.observation.episode_id

    def test_can_be_cancelled_between_yields(self) -> None:
        """Closing the generator half-way leaves a planner that can plan again."""
        with _closing(self.make()) as planner:
            thinking = planner.plan(self.request(planner))
            next(thinking)
            assert isinstance(thinking, Generator)
            thinking.close()
            assert any(isinstance(r, Plan) for r in planner.plan(self.request(planner)))


def _closing(planner: Planner) -> "contextlib.closing[Planner]":
    return contextlib.closing(planner)
