"""Puts the built viewer into the wheel: hatchling calls this before it packs.

An editable installation takes what `make viewer` has built; a wheel is not made without the viewer.
"""

import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

INDEX = Path("src/logkeep/api/static/viewer/index.html")


class ViewerHook(BuildHookInterface[Any]):
    """Named in pyproject.toml."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raises RuntimeError when there is neither a built viewer nor Node to build it with."""
        if version == "editable":
            return
        script = Path(self.root) / "scripts" / "build_viewer.sh"
        if script.exists():
            subprocess.run([str(script)], check=True)
        if not (Path(self.root) / INDEX).exists():
            raise RuntimeError(
                "the viewer is not built: install Node 20.19 or newer, run `make viewer`, then try again"
            )
