"""A Model Owner's screens: data that is found, a result's curves as the service computed them, models side by side."""

from __future__ import annotations

import base64
import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Route

from tests.pages.conftest import MARKUP, Parties, Watched, at, tab_to

pytestmark = pytest.mark.slow


def test_data_is_found_by_its_words_and_columns_and_what_is_not_to_be_believed_is_told(
    finished: tuple[Parties, str], watched: Watched
) -> None:
    parties, _ = finished
    terms = {"title": f"{MARKUP} stays", "tags": ["cardiology"], "terms": "Ask the data office."}
    with parties.client("owner-b") as owner:
        assert owner.put("/datasets/default/card", json=terms).status_code == 200
        page = at(parties, watched, "model-owner", "model-owner/data")
        page.get_by_role("heading", name=f"{MARKUP} stays").wait_for()
        page.get_by_text("Ask the data office.").wait_for()
        page.get_by_label("Words of").fill("oncology")
        page.get_by_role("button", name="Look").click()
        page.get_by_text("Nothing that you may see fits.").wait_for()
        page.get_by_label("Words of").fill("")
        page.get_by_label("Tags").fill("cardiology")
        page.get_by_role("button", name="Look").click()
        page.get_by_role("heading", name=f"{MARKUP} stays").wait_for()
        forged = {"cards": [], "refused": [{"signer": "1a" * 32, "why": f"{MARKUP} signature"}], "next": None}
        page.route("**/catalogue?*", lambda route: route.fulfill(json=forged))
        page.get_by_role("button", name="Look").click()
        page.get_by_text(f"not to be believed: {MARKUP} signature").wait_for()
        assert owner.delete("/datasets/default/card").status_code == 200


def test_cards_at_the_facilitator_are_checked_in_the_browser(finished: tuple[Parties, str], watched: Watched) -> None:
    parties, _ = finished
    with parties.client("owner-b") as owner:
        assert owner.put("/datasets/default/card", json={"title": f"{MARKUP} stays"}).status_code == 200
        page = at(parties, watched, "facilitator", "facilitator/datasets")
        page.get_by_role("heading", name=f"{MARKUP} stays").wait_for()
        page.get_by_text("Signature checked in this browser").wait_for()

        def altered(route: Route) -> None:
            found = route.fetch().json()
            found["cards"][0]["document"] = found["cards"][0]["document"].replace("stays", "strays")
            route.fulfill(json=found)

        page.route("**/datasets?*", altered)
        page.get_by_role("button", name="Look").click()
        page.get_by_text("is not to be believed: the card is not signed by").wait_for()
        page.unroute("**/datasets?*")
        page.get_by_label("Words of").fill("oncology")
        page.get_by_role("button", name="Look").click()
        page.get_by_text("No card fits.").wait_for()
        assert owner.delete("/datasets/default/card").status_code == 200


def test_a_table_that_falls_on_the_page_is_predicted_as_its_rows_are(
    finished: tuple[Parties, str], watched: Watched
) -> None:
    parties, job = finished
    page = at(parties, watched, "model-owner", f"model-owner/result/{job}")
    table = f"ward,{MARKUP},age\n" + "".join(f"w{row},{row % 5 / 10},{row % 7 / 10}\n" for row in range(1200))
    field = page.get_by_label("Or a whole table")

    def choose(name: str, content: bytes) -> None:
        field.set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})

    choose("stays.csv", table.encode())
    page.get_by_text("The first 20 of 1,200 rows").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save all as CSV").click()
    told, *rows = csv.reader(io.StringIO(download.value.path().read_text()))
    with parties.client("model-owner") as http:
        asked = [[row % 7 / 10, row % 5 / 10] for row in range(1200)]
        values = http.post("/prediction", json={"rows": asked, "model_id": job}).json()["values"]
    assert told == ["Row", "Value"]
    assert [float(value) for _, value in rows] == pytest.approx(values, rel=1e-12)

    wrong = {
        "short.csv": (b"age,days\n1,2\n", f"short.csv has no {MARKUP}, which the model needs"),
        "twice.csv": (f"age,age,{MARKUP}\n1,2,3\n".encode(), "has the column age twice"),
        "uneven.csv": (f"age,{MARKUP}\n1,2\n1\n".encode(), "Row 2 of uneven.csv has 1 values"),
        "latin.csv": ("age,Zähler\n1,2\n".encode("latin-1"), "is no text in UTF-8"),
        "none.csv": (f"age,{MARKUP}\n".encode(), "none.csv has no rows"),
        "comma.csv": (f'age,{MARKUP}\n"1.234,5",0\n'.encode(), "age"),
        "list.json": (b'{"age": 1}', "is not a list of rows"),
    }
    for name, (content, words) in wrong.items():
        choose(name, content)
        page.get_by_role("alert").filter(has_text=words).wait_for()
        assert page.get_by_role("button", name="Save all as CSV").count() == 0

    page.evaluate(
        """([file, text]) => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([text], file));
          const place = document.querySelector('.drop');
          for (const kind of ['dragover', 'drop'])
            place.dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer}));
        }""",
        ["stays.json", json.dumps([{"age": 0.1, MARKUP: 0.2}, [0.2, 0.3]])],
    )
    page.get_by_text("2 rows", exact=True).wait_for()


def test_log_odds_have_odds_ratios_beside_them_and_those_of_a_surrogate_have_none(
    finished: tuple[Parties, str], watched: Watched
) -> None:
    parties, job = finished
    with parties.client("model-owner") as http:
        model = http.get(f"/models/{job}").json()
    model |= {"model_type": "LOGISTIC_REGRESSION", "coefficient_table": None, "remarks": []}
    model["coefficients"] = {"age": -0.6931471805599453, "intercept": 1.5}
    page = at(parties, watched, "model-owner", "model-owner/jobs")
    page.route(f"**/models/{job}", lambda route: route.fulfill(json=model))
    page.goto(f"{parties.urls['model-owner']}/#/model-owner/result/{job}")
    page.get_by_text("-0.6931, odds ratio 0.5 a unit").wait_for()
    assert page.get_by_text("odds ratio").count() == 1
    model["remarks"] = [{"code": "surrogate-coefficients", "text": "They are no log odds.", "column": None}]
    page.reload()
    page.get_by_text("They are no log odds.").wait_for()
    assert page.get_by_text("odds ratio").count() == 0


def test_a_jobs_page_has_what_happened_before_it_was_opened_with_its_times(
    finished: tuple[Parties, str], watched: Watched
) -> None:
    parties, job = finished
    page = at(parties, watched, "model-owner", f"model-owner/job/{job}")
    page.get_by_role("heading", name="What has happened, the latest first").wait_for()
    lines = page.locator("h2:has-text('What has happened') + ul > li")
    lines.filter(has_text="round 1 is over").wait_for()
    page.wait_for_timeout(1000)  # the stream has told all of it again by now
    with parties.client("model-owner") as http:
        told = http.get(f"/models/{job}").json()
    words = [line.partition(":")[2][6:] for line in lines.all_inner_texts()]
    rounds = [one["round"] for one in reversed(told["history"])]
    assert [line.partition(",")[0].partition(":")[0] for line in words] == [
        "finished", *(f"round {number} is over" for number in rounds), "training", "joining", "deploying", "preparing",
    ]  # fmt: skip
    joined = datetime.fromisoformat(told["phases"][1]["at"]).astimezone()
    assert f"{joined:%H:%M:%S}" in lines.filter(has_text="joining").inner_text()
    ended = datetime.fromisoformat(told["ended_at"]).astimezone()
    assert f"{ended:%H:%M:%S}" in lines.first.inner_text()


def test_of_a_long_job_the_latest_lines_are_shown(finished: tuple[Parties, str], watched: Watched) -> None:
    parties, job = finished
    page = at(parties, watched, "model-owner", "model-owner/jobs")
    with parties.client("model-owner") as http:
        told = http.get(f"/models/{job}").json()
    begun = datetime(2026, 1, 12, 9, tzinfo=UTC)
    times = [(begun + timedelta(seconds=at)).isoformat() for at in range(1001)]
    history = [{**told["history"][0], "round": at, "at": times[at]} for at in range(1, 1001)]
    running = {"status": "IN_PROGRESS", "phase": "TRAINING", "ended_at": None, "created_at": times[0]}
    page.route(f"**/models/{job}", lambda route: route.fulfill(json={**told, **running, "history": history}))
    page.route(f"**/models/{job}/events", lambda route: route.abort())
    page.goto(f"{parties.urls['model-owner']}/#/model-owner/job/{job}")
    lines = page.locator("h2:has-text('What has happened') + ul > li")
    lines.filter(has_text="round 1000 is over").wait_for()
    assert lines.count() == 200


def test_a_results_errors_are_those_of_its_values_on_the_test_set(
    finished: tuple[Parties, str], watched: Watched
) -> None:
    parties, job = finished
    page = at(parties, watched, "model-owner", f"model-owner/result/{job}")
    drawn = page.get_by_role("figure").filter(has_text="what is left of the true value")
    with page.expect_download() as download:
        drawn.get_by_role("button", name="Save as CSV").click()
    told, *rows = csv.reader(io.StringIO(download.value.path().read_text()))
    assert told == ["Predicted", "True minus predicted"]
    with parties.client("model-owner") as http:
        found = http.get("/prediction", params={"model_id": job}).json()
    pairs = sorted(zip(found["values"], found["targets"], strict=True))
    assert [float(row[0]) for row in rows] == pytest.approx([value for value, _ in pairs])
    # Rows of one value are in any order.
    left = sorted((value, true - value) for value, true in pairs)
    assert [one for row in sorted((float(a), float(b)) for a, b in rows) for one in row] == pytest.approx(
        [one for pair in left for one in pair]
    )


def test_what_is_to_be_known_of_the_test_sets_rows_is_shown(finished: tuple[Parties, str], watched: Watched) -> None:
    parties, job = finished
    with parties.client("model-owner") as http:
        found = http.get("/prediction", params={"model_id": job}).json()
    said = {"code": "rows-left-out", "text": f"1 of 9 rows {MARKUP}", "column": None}
    page = watched.page(parties.urls["model-owner"])
    page.route("**/prediction?*", lambda route: route.fulfill(json={**found, "remarks": [said]}))
    page.goto(f"{parties.urls['model-owner']}/#/model-owner/result/{job}")
    page.get_by_text(said["text"]).wait_for()


def test_of_classes_the_curves_of_the_chosen_one_are_drawn(finished: tuple[Parties, str], watched: Watched) -> None:
    parties, job = finished
    curve = {"x": [0.0, 0.5, 1.0], "y": [0.0, 0.75, 1.0]}
    one = {"name": MARKUP, "rows": 4, "auc": 0.625, "average_precision": 0.7, "roc": curve, "precision_recall": curve}
    one |= {"calibration": curve, "calibration_rows": [1, 1, 2]}
    absent = {**one, "name": "rare", "rows": 0, "auc": None, "average_precision": None, "roc": None}
    absent |= {"precision_recall": None}
    ids = {"model_id": job, "dataset_id": "5c" * 16}
    page = watched.page(parties.urls["model-owner"])
    said = {**ids, "rows": 9, "classes": [one, absent], "targets": []}
    page.route("**/prediction/curves?*", lambda route: route.fulfill(json=said))
    page.goto(f"{parties.urls['model-owner']}/#/model-owner/result/{job}")
    page.get_by_role("img", name=f"ROC of {MARKUP}").wait_for()
    page.get_by_role("img", name=f"Precision of {MARKUP} by recall").wait_for()
    page.get_by_text("0.625").wait_for()
    page.get_by_label("Class, against all others").select_option("rare")
    page.get_by_text("The test set has no rows of rare").wait_for()
    page.get_by_role("img", name="ROC of").wait_for(state="detached")


def test_pictures_that_are_read_wrongly_are_drawn_pixel_by_pixel(
    finished: tuple[Parties, str], watched: Watched
) -> None:
    parties, job = finished
    with parties.client("model-owner") as http:
        score = http.get("/prediction", params={"model_id": job}).json()
    said = {**score, "class_names": ["3", MARKUP], "classes": ["3"], "targets": [MARKUP]}
    grey, colours = bytes(range(64)), bytes([*[255] * 64, *[0] * 64, *[128] * 64])
    one = {"row": 6, "said": "3", "true": MARKUP, "probability": 0.987}
    wrong = {"model_id": job, "dataset_id": score["dataset_id"], "wrong": 31}
    answers = [
        {**wrong, "shape": shape, "examples": [{**one, "pixels": base64.b64encode(pixels).decode()}]}
        for shape, pixels in (([1, 8, 8], grey), ([3, 8, 8], colours))
    ]
    page = at(parties, watched, "model-owner", "model-owner/jobs")
    page.route("**/prediction?*", lambda route: route.fulfill(json=said))
    page.route("**/wrongly-read", lambda route: route.fulfill(json=answers.pop(0)))
    first = []
    for _ in range(2):
        page.get_by_role("link", name="Jobs").click()
        page.get_by_role("heading", name="Jobs").wait_for()
        page.goto(f"{parties.urls['model-owner']}/#/model-owner/result/{job}")
        picture = page.get_by_role("img", name=f"Row 7 of the test set, read as 3, truly {MARKUP}")
        picture.wait_for()
        page.get_by_text("31 of the test set’s pictures are read wrongly; the 1 of which").wait_for()
        drawn = "one => [...one.getContext('2d').getImageData(0, 0, 8, 8).data]"
        first.append(picture.locator("canvas").evaluate(drawn))
    assert first[0] == [part for value in grey for part in (value, value, value, 255)]
    assert first[1] == [255, 0, 128, 255] * 64

    looking = watched.page(parties.urls["model-owner"])
    asked = []
    looking.on("request", lambda request: asked.append(request.url))
    looking.route("**/prediction?*", lambda route: route.fulfill(json=said))
    looking.goto(f"{parties.urls['model-owner']}/#/model-owner/result/{job}")
    looking.get_by_role("heading", name="Take it home").wait_for()
    looking.wait_for_load_state("networkidle")
    assert not [url for url in asked if "wrongly-read" in url]


def test_models_are_compared_in_one_table_and_one_drawing(
    finished: tuple[Parties, str], awaited: str, watched: Watched
) -> None:
    parties, job = finished
    with parties.client("model-owner") as http:
        found = http.get(f"/models/{job}").json()
        listed = http.get("/models").json()
        score = http.get("/prediction", params={"model_id": job}).json()
    page = at(parties, watched, "model-owner", "model-owner/compare")
    choices = page.get_by_role("checkbox")
    choices.first.wait_for()
    # One that waits for sign-off has no result to compare.
    assert choices.count() == sum(one["status"] == "FINISHED" for one in listed)
    assert awaited in {one["id"] for one in listed if one["status"] != "FINISHED"}
    other = {**found, "id": "4c" * 16, "name": found["name"]}
    line = next(one for one in listed if one["id"] == job)
    page.route("**/models", lambda route: route.fulfill(json=[line, {**line, "id": other["id"]}]))
    page.route(f"**/models/{other['id']}", lambda route: route.fulfill(json=other))
    page.route(
        f"**/prediction?model_id={other['id']}",
        lambda route: route.fulfill(json={**score, "dataset_id": "6d" * 16, "cost": 12.5}),
    )
    page.reload()
    choices.nth(1).wait_for()
    for choice in choices.all():
        choice.check()
    page.get_by_role("cell", name="12.5").wait_for()
    page.get_by_text("measured on different test sets").wait_for()
    # The second one's curves are refused, by the service's own words, and what there is of it is shown.
    page.get_by_role("alert").wait_for()
    drawn = page.get_by_role("figure").filter(has_text="Loss by round")
    with page.expect_download() as download:
        drawn.get_by_role("button", name="Save as CSV").click()
    told, *rows = csv.reader(io.StringIO(download.value.path().read_text()))
    assert told[1:] == [f"{found['name']} ({one[:6]}…)" for one in (job, other["id"])]
    assert [float(row[1]) for row in rows] == pytest.approx([point["loss"] for point in found["history"]])
    assert [row[1] for row in rows] == [row[2] for row in rows]


def test_data_is_found_and_models_compared_by_keyboard_alone(finished: tuple[Parties, str], watched: Watched) -> None:
    parties, job = finished
    with parties.client("owner-b") as owner:
        assert owner.put("/datasets/default/card", json={"title": "Stays of ward b"}).status_code == 200
        page = at(parties, watched, "model-owner", "model-owner/data")
        page.get_by_role("heading", name="Stays of ward b").wait_for()
        tab_to(page, page.get_by_label("Words of"))
        page.keyboard.type("oncology")
        page.keyboard.press("Enter")
        page.get_by_text("Nothing that you may see fits.").wait_for()
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type("ward")
        tab_to(page, page.get_by_role("button", name="Look"))
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Stays of ward b").wait_for()
        tab_to(page, page.get_by_role("checkbox"))
        page.keyboard.press("Space")
        tab_to(page, page.locator("a.button"))
        page.keyboard.press("Enter")
        page.wait_for_url("**/model-owner/ask")
        assert owner.delete("/datasets/default/card").status_code == 200

    name = parties.client("model-owner").get(f"/models/{job}").json()["name"]
    tab_to(page, page.get_by_role("link", name="Compare"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("checkbox", name=name).first)
    page.keyboard.press("Space")
    tab_to(page, page.get_by_role("table").get_by_role("link", name=name))
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Take it home").wait_for()
    tab_to(page, page.get_by_role("button", name="Save as PNG").first)
    with page.expect_download() as download:
        tab_to(page, page.get_by_role("button", name="ONNX"))
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == f"model-{job}.onnx"
