"""The whole story by clicks: tables uploaded and found, a job deployed, approved, watched, read, used and verified."""

from __future__ import annotations

import json

import pytest

from tests.pages.conftest import OWNERS, ROWS, SPEC, Parties, Watched

pytestmark = pytest.mark.slow


def test_from_upload_to_prediction_by_clicks_alone(fresh: Parties, watched: Watched) -> None:
    owners = {name: watched.page(fresh.urls[name]) for name in OWNERS}
    for name, owner in owners.items():
        owner.goto(fresh.link(name))
        owner.get_by_role("button", name="End the session").wait_for()
        owner.get_by_role("link", name="Datasets").click()
        owner.get_by_label("Name", exact=True).fill("ward")
        table = {"name": "stays.csv", "mimeType": "text/csv", "buffer": ROWS.encode()}
        owner.get_by_label("CSV or Parquet").set_input_files([table])
        owner.get_by_role("button", name="Upload").click()
        owner.get_by_role("link", name="ward").click()
        owner.get_by_label("Title").fill(f"Stays at {name}")
        owner.get_by_role("button", name="Publish").click()
        owner.get_by_text("signed by this owner").wait_for()
        owner.get_by_role("link", name="Inbox").click()
    facilitator = watched.page(fresh.urls["facilitator"])
    facilitator.goto(fresh.link("facilitator"))
    facilitator.get_by_role("button", name="End the session").wait_for()
    for name in OWNERS:
        # An owner tells the Facilitator of a new dataset by itself, and the page asks again by itself.
        facilitator.get_by_role("row", name=name).get_by_text("ward").wait_for()

    model_owner = watched.page(fresh.urls["model-owner"])
    model_owner.goto(fresh.link("model-owner"))
    model_owner.get_by_role("button", name="End the session").wait_for()
    model_owner.get_by_role("link", name="Find data").click()
    for name in OWNERS:
        model_owner.get_by_role("heading", name=f"Stays at {name}").wait_for()
    model_owner.get_by_role("link", name="Jobs").click()
    model_owner.get_by_text("No model was trained here yet.").wait_for()
    assert "/open/" not in model_owner.url
    model_owner.get_by_role("link", name="Start the first job.").click()
    written = model_owner.get_by_label("As JSON")
    written.fill(json.dumps({**SPEC, "training": {**SPEC["training"], "roundz": 1}}))
    model_owner.get_by_text("There is no such field").wait_for()
    assert model_owner.get_by_role("button", name="Start the job").is_disabled()
    written.fill(json.dumps({**SPEC, "name": "unnamed", "dataset": "ward"}))
    model_owner.get_by_text("Sums decrypted").wait_for()
    model_owner.get_by_label("Name", exact=True).fill(SPEC["name"])
    model_owner.get_by_label("Name", exact=True).press("Tab")
    assert json.loads(written.input_value())["name"] == SPEC["name"]
    model_owner.get_by_role("button", name="Start the job").click()
    model_owner.get_by_role("heading", name=SPEC["name"]).wait_for()
    job = model_owner.url.rpartition("/")[2]

    for name, owner in owners.items():
        owner.get_by_role("link", name=SPEC["name"]).click()
        owner.get_by_text(SPEC["purpose"]).wait_for()
        with fresh.client(name) as http:
            asked = http.get(f"/models/{job}").json()["asked"]
        assert asked["leaves"].startswith("encrypted and masked") and len(asked["columns"]) == 2
        shown = owner.locator("main").inner_text()
        lines = [line for said in asked.values() for line in (said if isinstance(said, list) else [said]) if line]
        assert [line for line in lines if str(line) not in shown] == []
        owner.get_by_role("button", name="Approve").click()
        owner.get_by_role("button", name="Approve").wait_for(state="detached")

    # The page was never loaded again: what it shows came with its stream.
    model_owner.get_by_role("link", name="To the result").click()
    model_owner.get_by_text("R²", exact=True).wait_for()
    model_owner.get_by_text("mse").wait_for()
    model_owner.get_by_label(", 0 … 1").first.wait_for()
    for label in model_owner.get_by_label(", 0 … 1").all():
        label.fill("0.5")
    model_owner.get_by_role("button", name="Predict").click()
    answer = float(model_owner.locator(".note.good strong").inner_text())
    with fresh.client("model-owner") as http:
        said = http.post("/prediction", json={"rows": [[0.5, 0.5]], "model_id": job}).json()["values"][0]
    assert answer == pytest.approx(said, rel=1e-5)

    facilitator.get_by_role("link", name="Jobs").click()
    facilitator.get_by_role("link", name=job[:12]).click()
    facilitator.get_by_role("button", name="Verify the log").click()
    assert facilitator.locator(".note.good code").inner_text()

    owner.get_by_role("link", name="Releases").click()
    owner.get_by_text("The chain over all").wait_for()
    with fresh.client(OWNERS[-1]) as http:
        assert owner.locator(".note.good code").inner_text() == http.get("/audit").json()["head"]


def test_without_a_session_one_looks_and_does_not_decide(fresh: Parties, watched: Watched) -> None:
    with fresh.client("model-owner") as http:
        job = http.post("/models", json=SPEC).json()["id"]
    owner = watched.page(fresh.urls["owner-a"])
    owner.goto(fresh.urls["owner-a"])
    owner.get_by_role("link", name=SPEC["name"]).click()
    owner.get_by_role("heading", name="Decide").wait_for()
    assert owner.get_by_role("button", name="Approve").count() == 0
    token = fresh.apps["owner-a"].state.gate.decisions.value
    owner.get_by_label("Token").fill(token)
    owner.get_by_role("button", name="Open a session").click()
    owner.get_by_label("Why you decline").fill("Not this quarter.")
    kept = owner.evaluate("JSON.stringify([document.documentElement.outerHTML, location.href, {...localStorage}])")
    assert token not in kept and owner.context.cookies()[0]["value"] not in kept
    owner.get_by_role("button", name="Decline").click()
    owner.get_by_text("Not this quarter.").wait_for()
    assert owner.evaluate("document.cookie") == ""
    with fresh.client("owner-a") as http:
        assert http.get(f"/models/{job}").json()["code"] == "denied"
