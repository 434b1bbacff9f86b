"""Large scenes: one that is above a limit is measured by all workers, some tiles a task."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from metriccd.batch.work import Part, Task

# Parts for each worker: one that is slow, or begins late, does fewer of them.
EACH = 8


@dataclass
class _Scene:
    """A scene that is shared out.

    Attributes:
        task: The pair.
        made: Parts of what is shared out now.
        left: Those that are not done.
        seconds: What those that are took.
    """

    task: Task
    made: int = 0
    left: int = 0
    seconds: float = 0.0


@dataclass
class Scenes:
    """Scenes that are shared out, and parts of them that no worker has yet.

    Attributes:
        parts: In the order in which they are handed out.
    """

    parts: deque[Part] = field(default_factory=deque)
    _scenes: dict[str, _Scene] = field(default_factory=dict)

    def share(self, task: Task, entry: Mapping[str, Any], workers: int) -> None:
        """Makes parts of the tiles that a scene's fit, or what follows it, has left to do."""
        scene = self._scenes.setdefault(task.id, _Scene(task))
        scene.seconds += entry["seconds"]
        plan = entry["plan"]
        count = max(min(EACH * workers, len(plan.remaining)), 1)
        # Neighbors in one part: they read the same blocks of the files.
        size = -(-len(plan.remaining) // count)
        for first in range(0, len(plan.remaining), size):
            self.parts.append(
                Part(
                    id=task.id,
                    number=first,
                    plan=plan,
                    tiles=plan.remaining[first : first + size],
                    limit=entry["limit"],
                )
            )
            scene.left += 1
        scene.made = scene.left

    def end(self, part: Part, seconds: float) -> Task | None:
        """Counts a part that is done; returns the pair to go on with after the last one."""
        scene = self._scenes.get(part.id)
        if scene is None:
            # Another part of it has failed.
            return None
        scene.left -= 1
        scene.seconds += seconds
        return None if scene.left else scene.task

    def forget(self, name: str) -> float:
        """Gives up what is left of a pair, which is done or has failed; returns what it took."""
        scene = self._scenes.pop(name, None)
        for part in [each for each in self.parts if each.id == name]:
            self.parts.remove(part)
        return 0.0 if scene is None else scene.seconds

    def counts(self) -> tuple[int, int]:
        """Parts that are done, and all, of scenes that are shared out now."""
        scenes = self._scenes.values()
        made = sum(scene.made for scene in scenes)
        return made - sum(scene.left for scene in scenes), made

    def knows(self, name: str) -> bool:
        """Whether a pair is shared out."""
        return name in self._scenes
