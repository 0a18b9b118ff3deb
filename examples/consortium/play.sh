#!/usr/bin/env bash
# Plays a consortium of five hospitals and two Model Owners on this machine, by the command line and curl alone.
# ./play.sh [--state-dir FOLDER] [--first-port N]: without them, a temporary folder and ports that are free.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
. "$here/../../scripts/setup.sh"

HOSPITALS="north south east west coast"
MODEL_OWNERS="institute insurer"
APPROVED="north south west coast" # what the institute asks; east declines
WAIT_S=300

state_dir="" first_port="" kept=""
while [ $# -gt 0 ]; do
  case "$1" in
    --state-dir) [ $# -gt 1 ] || setup_fail "--state-dir needs a folder"; state_dir="$2"; shift 2 ;;
    --first-port)
      case "${2:-}" in "" | *[!0-9]*) setup_fail "--first-port needs a number" ;; esac
      first_port="$2"
      shift 2
      ;;
    --help) sed -n '2,3s/^# //p' "$0"; exit 0 ;;
    *) setup_fail "'$1' is no option: --state-dir FOLDER and --first-port N are" ;;
  esac
done
command -v curl >/dev/null || setup_fail "curl is needed, and PATH has none"
setup requirements.txt
PATH="$VENV/bin:$PATH"

if [ -n "$state_dir" ]; then
  [ ! -e "$state_dir" ] || setup_fail "$state_dir is there already: name a new folder, or delete it"
  kept=yes
  mkdir -p "$state_dir"
else
  state_dir="$(mktemp -d)"
fi
cd "$state_dir"
work="$PWD"

services=""
finish() {
  status=$?
  trap - EXIT
  trap '' INT TERM # a second Ctrl-C leaves nothing running either
  for pid in $services; do kill "$pid" 2>/dev/null || true; done
  for pid in $services; do wait "$pid" 2>/dev/null || true; done
  if [ "$status" != 0 ] && [ -n "$services" ]; then
    echo "play.sh: it ended early. The last lines of the services:" >&2
    for log in *.log; do [ -f "$log" ] && echo "-- $log" >&2 && tail -n 3 "$log" >&2; done
  fi
  [ -n "$kept" ] || rm -rf "$work"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- what the scenes below are told with

scene() { printf '\n==== %s\n' "$*"; }

# value PATH: the value at that place of the JSON on standard input, PATH as Python writes it: '["cards"][0]["id"]'.
value() { python -c 'import json, sys; print(eval("said" + sys.argv[1], {"said": json.load(sys.stdin)}))' "$1"; }

# each LIST FIELD…: those fields of each item of that list of it, a line an item.
each() { python -c 'import json, sys
for one in json.load(sys.stdin)[sys.argv[1]]: print(*(one[name] for name in sys.argv[2:]))' "$@"; }

port() { cat "$1.port"; }
url() { [ ! -f "$1.port" ] || echo "http://127.0.0.1:$(port "$1")"; }

# as PARTY COMMAND…: a command of that party's people, shown before it runs.
as() {
  party="$1"
  shift
  printf '\n%s$' "$party" >&2
  printf ' %q' "$@" >&2
  printf '\n' >&2
  FEDTRAIN_DATA_OWNER="$(url "$party")" FEDTRAIN_MODEL_OWNER="$(url "$party")" "$@"
}

# rest PARTY METHOD PATH [JSON]: the same by curl. What is decided takes the token that the service draws for its user.
rest() {
  printf '\n%s$ curl -X %s %s%s%s\n' "$1" "$2" "$(url "$1")" "$3" "${4:+ -d '$4'}" >&2
  curl --silent --show-error --fail-with-body --noproxy '*' --request "$2" "$(url "$1")$3" \
    --header "Authorization: Bearer $(cat "$1/decision-127.0.0.1-$(port "$1").token" 2>/dev/null)" \
    --header "Content-Type: application/json" ${4:+--data "$4"}
}

# refused WORDS… -- COMMAND…: runs what has to be refused, with all of these words.
refused() {
  words=()
  while [ "$1" != -- ]; do words+=("$1"); shift; done
  shift
  if said="$("$@" 2>&1)"; then echo "$said"; setup_fail "this was to be refused, and was not: $*"; fi
  echo "$said"
  for word in "${words[@]}"; do
    case "$said" in *"$word"*) ;; *) setup_fail "the refusal does not say '$word'" ;; esac
  done
}

# until_ WHAT COMMAND…: waits until the command succeeds.
until_() {
  what="$1"
  shift
  deadline=$((SECONDS + WAIT_S))
  until "$@" >/dev/null 2>&1; do
    for pid in $services; do kill -0 "$pid" 2>/dev/null || setup_fail "a service ended while waiting until $what"; done
    [ "$SECONDS" -lt "$deadline" ] || setup_fail "waited $WAIT_S seconds, and not yet: $what"
    sleep 0.2
  done
}

start() {
  name="$1"
  shift
  fedtrain "$@" --state-dir "$name" >"$name.log" 2>&1 &
  services="$services $!"
}

facilitator() { # PATH: what the Facilitator tells its own people
  curl --silent --show-error --fail-with-body --noproxy '*' "$facilitator_url$1" \
    --cacert facilitator/tls/ca.pem --cert facilitator/tls/cert.pem \
    --key facilitator/tls/key.pem --header "Authorization: Bearer $(cat "facilitator/admin.token")"
}

scene "Each party makes its keys; the organiser signs; each accepts"

python - "${first_port:-0}" facilitator $HOSPITALS $MODEL_OWNERS <<'PYTHON'
import pathlib, socket, sys

first, *names = sys.argv[1:]
held = [socket.socket() for _ in names]
for place, (name, one) in enumerate(zip(names, held)):
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    port = int(first) and int(first) + place
    try:
        one.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        sys.exit(f"play.sh: port {port} for {name} cannot be had ({error}): give another --first-port, or none")
    pathlib.Path(f"{name}.port").write_text(f"{one.getsockname()[1]}\n")
PYTHON
facilitator_url="https://localhost:$(port facilitator)"
{
  printf 'name = "northern-hospitals"\n\n[facilitator]\nurl = "%s"\nmutual_tls = true\n' "$facilitator_url"
  for name in $MODEL_OWNERS; do printf '\n[[model_owner]]\nname = "%s"\nport = %s\n' "$name" "$(port "$name")"; done
  for name in $HOSPITALS; do printf '\n[[data_owner]]\nname = "%s"\nport = %s\n' "$name" "$(port "$name")"; done
} >consortium.toml
role() {
  case " facilitator $MODEL_OWNERS " in
    " $1 "*) echo facilitator ;;
    *" $1 "*) echo model-owner ;;
    *) echo data-owner ;;
  esac
}
for name in facilitator $HOSPITALS $MODEL_OWNERS; do
  as "$name" fedtrain identity request --role "$(role "$name")" --name "$name" --state-dir "$name" \
    --out "$name.request.json" | tee "$name.id"
done
signed="$(as organiser fedtrain provision sign consortium.toml ./*.request.json --out organiser --json)"
consortium="$(value '["consortium"]' <<<"$signed")"
for name in facilitator $HOSPITALS $MODEL_OWNERS; do
  as "$name" fedtrain identity accept "organiser/$name.admission.json" --state-dir "$name" --consortium "$consortium"
done
party() { cut -d ' ' -f 1 "$1.id"; }

scene "Eight services start, each with its own folder, keys and port"

python "$here/make_data.py" tables
start facilitator facilitator
for name in $HOSPITALS; do
  cp "$here/policy.toml" "$name/"
  start "$name" data-owner --data "tables/$name.csv" --schema "$here/schema.json"
done
for name in $MODEL_OWNERS; do start "$name" model-owner --test-data tables/test.csv; done
until_ "the Facilitator answers" facilitator /readyz
registered() { [ "$(facilitator /data-owners | value '.__len__()')" = 5 ]; }
until_ "five Data Owners are registered" registered
for name in $HOSPITALS $MODEL_OWNERS; do until_ "$name is ready" rest "$name" GET /readyz; done

scene "Cards: what each hospital says of its data, and to whom"

as north fedtrain datasets publish "$here/card.toml"
for name in south east west coast; do
  readers="" # coast shows its card to the institute alone
  [ "$name" != coast ] || readers=", \"visible_to\": [\"$(party institute)\"]"
  rest "$name" PUT /datasets/default/card \
    "{\"title\": \"Stays in hospital, $name\", \"tags\": [\"hospital stays\"], \"terms\": \"Research on planning.\"$readers}" |
    value '["title"]'
done
refused "visible_to" -- rest east PUT /datasets/default/card '{"title": "Stays", "visible_to": ["the institute"]}'

scene "Search: the institute sees five cards, the insurer four"

as institute fedtrain search "hospital" --column stay_days --type continuous
rest institute GET "/catalogue?q=hospital&tag=hospital%20stays" >institute.cards.json
rest insurer GET "/catalogue?q=hospital&tag=hospital%20stays" >insurer.cards.json
[ "$(value '["cards"].__len__()' <institute.cards.json)" = 5 ] || setup_fail "the institute should find five cards"
[ "$(value '["cards"].__len__()' <insurer.cards.json)" = 4 ] || setup_fail "the insurer should find four cards"
! grep -q coast insurer.cards.json || setup_fail "the insurer sees the card of coast, which is not for it"

scene "The institute asks all five for a model of the length of stay"

key_bits="" # keys of 3,072 bits, unless a test says that small ones will do
[ "${FEDTRAIN_ALLOW_SMALL_KEYS:-}" != 1 ] || key_bits='"key_bits": 1024, '
sed "s/\"training\": {/&$key_bits/" "$here/model.json" >stay.json
datasets=""
for id in $(each cards id <institute.cards.json); do datasets="$datasets --dataset $id"; done
as institute fedtrain request create stay.json --title stay --purpose "plan beds for the winter" $datasets

scene "A question and an answer, in the request's thread"

as north fedtrain inbox stay
as north fedtrain ask stay "Are stays that ended in a transfer in it?"
stay="$(rest institute GET /requests | value '["requests"][0]["id"]')"
rest institute POST "/requests/$stay/messages" '{"text": "Only those that ended at home."}' | value '["thread"][-1]["text"]'

scene "South approves with a condition, east declines with a reason, the others approve"

as south fedtrain approve stay --epsilon 0.5 --until 2099-12-31 --by "Sam of the data office" --yes
rest east POST "/requests/$stay/decline" '{"reason": "Our stays are under review until spring.", "by": "Eve"}' |
  value '["waits"]'
for name in north west coast; do
  rest "$name" POST "/requests/$stay/approve" '{"by": "the data office"}' | value '["waits"]'
done
as institute fedtrain request show stay

scene "A job that differs from what was approved is refused, by owner and field"

refused privacy.epsilon south 0.5 -- as institute fedtrain request deploy stay

scene "The job that was approved trains, and no owner has signed its result off yet"

as institute fedtrain request deploy stay --epsilon 0.5
job="$(rest institute GET /models | value '[0]["id"]')"
signs_off_at() { [ "$(rest "$1" GET "/models/$job" | value '["sign_off"]')" = waits ]; }
for name in $APPROVED; do until_ "the result waits for people of $name" signs_off_at "$name"; done
as north fedtrain inbox | tee north.inbox.txt
grep -q "waits to be signed off" north.inbox.txt || setup_fail "north's inbox should tell of the result that waits"
refused no-finished-model -- rest institute GET /prediction

scene "Meanwhile the insurer asks for what the stays cost, and all decline"

as insurer fedtrain schema ask "$here/schema.json" --target cost_eur --out premiums.json
python - >premiums.request.json <<'PYTHON'
import json

asked = {"title": "premiums", "purpose": "set premiums by what a stay will cost"}
asked["spec"] = json.load(open("premiums.json"))
asked["datasets"] = [card["id"] for card in json.load(open("insurer.cards.json"))["cards"]]
print(json.dumps(asked))
PYTHON
premiums="$(rest insurer POST /requests @premiums.request.json | value '["id"]')"
as north fedtrain decline premiums --reason "We price nobody by what we know as their hospital." --by Nora
for name in south east west; do
  rest "$name" POST "/requests/$premiums/decline" '{"reason": "Not for premiums."}' | value '["waits"]'
done
rest insurer GET "/requests/$premiums" | each owners name reason
refused request-not-approved "has declined" -- rest insurer POST /models "{\"request\": \"$premiums\"}"
refused request-not-found -- rest insurer GET "/requests/$stay"
refused request-not-found -- rest coast GET "/requests/$premiums"

scene "People of the four hospitals sign the result off; with the last of them it opens"

as north fedtrain sign-off "$job" --by Nora --why "as agreed" --yes
for name in south west; do
  rest "$name" POST "/models/$job/sign-off" '{"decision": "sign_off", "by": "the data office"}' | value '["standing"]'
done
coast_alone() { [ "$(rest institute GET "/models/$job" | value '["not_signed_off"]')" = "['coast']" ]; }
until_ "the result waits for coast alone" coast_alone
rest coast POST "/models/$job/sign-off" '{"decision": "sign_off"}' | value '["standing"]'
finished() { [ "$(rest institute GET "/models/$job" | value '["status"]')" = FINISHED ]; }
until_ "the model is finished" finished
as institute fedtrain predict --rows 5

scene "What can be checked afterwards: the job's log, each hospital's audit, its budget"

heads_signed() { for name in $APPROVED institute; do grep -q "heads signed by all" "$name.log" || return 1; done; }
until_ "every party of the job has signed how it ended" heads_signed
as institute fedtrain verify "$job" --state-dir institute
refused "neither signed by this party" -- as insurer fedtrain verify "$job" --state-dir insurer
as north fedtrain audit --held "institute/heads/$job.json"
as coast fedtrain audit --held "north/heads/$job.json" | tail -n 1
as south fedtrain budget
rest coast GET /budget | value '["datasets"]'

scene "What each party has seen"

quietly() { rest "$@" 2>/dev/null; }
for name in $HOSPITALS; do
  for what in requests models budget audit; do quietly "$name" GET "/$what" >"$name.$what.json"; done
done
for name in $MODEL_OWNERS; do
  for what in requests models; do quietly "$name" GET "/$what" >"$name.$what.json"; done
done
quietly institute GET "/prediction?model_id=$job" >prediction.json
python "$here/what_each_saw.py" "$HOSPITALS" "$MODEL_OWNERS"
