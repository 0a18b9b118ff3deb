"""Write the three services' OpenAPI documents, from which the pages' types are made: `openapi.py FOLDER`."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from fedtrain.data_owner.app import create_app as create_data_owner
from fedtrain.data_owner.settings import DataOwnerSettings
from fedtrain.facilitator.app import create_app as create_facilitator
from fedtrain.facilitator.settings import FacilitatorSettings
from fedtrain.model_owner.app import create_app as create_model_owner
from fedtrain.model_owner.settings import ModelOwnerSettings
from fedtrain.service.runtime.system_clock import SystemClock

MAKERS = {
    "facilitator": (create_facilitator, FacilitatorSettings),
    "data-owner": (create_data_owner, DataOwnerSettings),
    "model-owner": (create_model_owner, ModelOwnerSettings),
}


def main(folder: Path) -> None:
    """Write `folder`/facilitator.json, data-owner.json and model-owner.json."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (create, settings) in MAKERS.items():
        with TemporaryDirectory() as state, ThreadPoolExecutor(1) as executor:
            app = create(settings(state_dir=state, name=name), clock=SystemClock(), executor=executor)  # type: ignore[operator]
            (folder / f"{name}.json").write_text(json.dumps(app.openapi(), indent=1, sort_keys=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
