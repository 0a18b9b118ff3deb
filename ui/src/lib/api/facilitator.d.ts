// What the facilitator's routes answer with, written by scripts/types.mjs from its OpenAPI document.
export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * Awaited
         * @description Whom a job waits for, and since when.
         */
        Awaited: {
            /** Name */
            name: string;
            /** Party */
            party: string;
            /**
             * Since
             * Format: date-time
             */
            since: string;
        };
        /**
         * CardList
         * @description Cards that were found, the newest first. `next`: what to ask for the following ones, None at the end.
         */
        CardList: {
            /** Cards */
            cards: components["schemas"]["SignedDocument"][];
            /** Next */
            next?: string | null;
        };
        /**
         * DataOwnerView
         * @description A registered Data Owner.
         * @example {
         *       "datasets": [
         *         "default"
         *       ],
         *       "name": "clinic-a",
         *       "party": "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a",
         *       "registered_at": "2026-01-12T09:27:00.000Z"
         *     }
         */
        DataOwnerView: {
            /** Datasets */
            datasets: string[];
            /** Name */
            name: string;
            /** Party */
            party: string;
            /** Registered At */
            registered_at: string;
        };
        /**
         * DeclinedOwner
         * @description An owner that did not join, and the catalogue code that it gave.
         */
        DeclinedOwner: {
            /** Code */
            code: string;
            /** Name */
            name: string;
            /** Party */
            party: string;
        };
        /**
         * FeatureType
         * @enum {string}
         */
        FeatureType: "continuous" | "discrete" | "ordinal" | "nominal" | "vector" | "text" | "image";
        /**
         * FederationView
         * @description Parties by role and name. `since`: from when on this process has taken note of polls.
         * @example {
         *       "parties": [
         *         {
         *           "clock_ahead_s": 0,
         *           "datasets": [
         *             "default"
         *           ],
         *           "name": "clinic-a",
         *           "party": "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a",
         *           "registered_at": "2026-01-12T09:27:00.000Z",
         *           "role": "data-owner",
         *           "seen_at": "2026-01-12T09:30:05.120Z",
         *           "silent": false,
         *           "version": "0.5.0"
         *         }
         *       ],
         *       "since": "2026-01-12T09:00:00Z"
         *     }
         */
        FederationView: {
            /** Parties */
            parties: components["schemas"]["PartyView"][];
            /**
             * Since
             * Format: date-time
             */
            since: string;
        };
        /**
         * FindingView
         * @description A finding of a check: how bad it is, what is the case, and what to do where that is anything.
         * @example {
         *       "check": "disk",
         *       "found": "31.2 GB free",
         *       "level": "ok",
         *       "remedy": ""
         *     }
         */
        FindingView: {
            /** Check */
            check: string;
            /** Found */
            found: string;
            level: components["schemas"]["Level"];
            /** Remedy */
            remedy: string;
        };
        /**
         * HeadList
         * @description All that parties of a job have signed so far of its end; the Facilitator is one of them.
         */
        HeadList: {
            /** Statements */
            statements: components["schemas"]["SignedDocument"][];
        };
        /**
         * Health
         * @description The answer to GET /healthz.
         */
        Health: {
            /** Status */
            status: string;
        };
        /**
         * KeptRequest
         * @description A request and all that was said about it, as the Facilitator has them: whoever reads them verifies them.
         */
        KeptRequest: {
            /**
             * Entries
             * @default []
             */
            entries: components["schemas"]["RequestEntry"][];
            request: components["schemas"]["SignedDocument"];
        };
        /**
         * Level
         * @description ok; warn: it works, and will not for ever or not for everybody; fail: it does not work.
         * @enum {string}
         */
        Level: "ok" | "warn" | "fail";
        /**
         * Link
         * @description A link that opens one session, within an hour: this service's address, and `path`.
         * @example {
         *       "path": "/#/open/qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq"
         *     }
         */
        Link: {
            /** Path */
            path: string;
        };
        /**
         * LoggedAnswer
         * @description One owner's answer in a sum: hashes of the answer and of its ciphertexts, and the owner's signature in hex.
         */
        LoggedAnswer: {
            /** Answer Hash */
            answer_hash: string;
            /** Ciphertexts Hash */
            ciphertexts_hash: string;
            /** Party */
            party: string;
            /** Signature */
            signature: string;
        };
        /**
         * LogLine
         * @description One entry. `hash` is what the next one names as `previous`; `signed_request_hash` finds the signed request.
         * @example {
         *       "answers": [
         *         {
         *           "answer_hash": "e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4",
         *           "ciphertexts_hash": "f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5",
         *           "party": "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a",
         *           "signature": "8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e"
         *         }
         *       ],
         *       "hash": "3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b",
         *       "index": 1,
         *       "kind": "counts",
         *       "manifest_hash": "a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0",
         *       "previous": "9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f",
         *       "product_hash": "0606060606060606060606060606060606060606060606060606060606060606",
         *       "request_hash": "c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2",
         *       "roster_hash": "b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1",
         *       "round": 0,
         *       "signed_request_hash": "d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3"
         *     }
         */
        LogLine: {
            /** Answers */
            answers: components["schemas"]["LoggedAnswer"][];
            /** Hash */
            hash: string;
            /** Index */
            index: number;
            /** Kind */
            kind: string | null;
            /** Manifest Hash */
            manifest_hash: string;
            /** Previous */
            previous: string;
            /** Product Hash */
            product_hash: string | null;
            /** Request Hash */
            request_hash: string | null;
            /** Roster Hash */
            roster_hash: string;
            /** Round */
            round: number;
            /** Signed Request Hash */
            signed_request_hash: string | null;
        };
        /**
         * ModelView
         * @description A job. `due_at`: when its timeout comes. `seconds_left`: an estimate, should it need all its rounds.
         *
         *     `window`: scale and bits of the training round that is asked, None outside those. `goes_on`: rounds go on without an
         *     owner that is late. `pace`: of each owner on the roster. `log_head`: the hash of the log's last entry, of a finished
         *     job.
         * @example {
         *       "created_at": "2026-01-12T09:28:00.000Z",
         *       "declined": [
         *         {
         *           "code": "policy-refuses",
         *           "name": "clinic-c",
         *           "party": "e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9"
         *         }
         *       ],
         *       "due_at": "2026-01-12T09:40:05.120Z",
         *       "goes_on": false,
         *       "id": "0f4b6d1c9e7a4c52b8d3a6e5f1029384",
         *       "kind": "gradient",
         *       "model_owner": {
         *         "name": "model-owner",
         *         "party": "7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d"
         *       },
         *       "owners": [
         *         {
         *           "name": "clinic-a",
         *           "party": "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a"
         *         },
         *         {
         *           "name": "clinic-b",
         *           "party": "c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4"
         *         }
         *       ],
         *       "pace": [
         *         {
         *           "answered_after_s": 0.84,
         *           "last_answer_after_s": 0.84,
         *           "left": false,
         *           "name": "clinic-a",
         *           "party": "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a",
         *           "rounds_missed": 0
         *         },
         *         {
         *           "last_answer_after_s": 31.02,
         *           "left": false,
         *           "name": "clinic-b",
         *           "party": "c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4",
         *           "rounds_missed": 0
         *         }
         *       ],
         *       "phase": "WAITING_FOR_DATA_OWNERS",
         *       "round": 7,
         *       "rounds": 48,
         *       "seconds_left": 41.5,
         *       "started_at": "2026-01-12T09:28:04.511Z",
         *       "status": "IN_PROGRESS",
         *       "waiting_for": [
         *         {
         *           "name": "clinic-b",
         *           "party": "c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4",
         *           "since": "2026-01-12T09:30:05.120Z"
         *         }
         *       ],
         *       "window": {
         *         "answer_fraction_bits": 282,
         *         "bits_available": 3070,
         *         "bits_left": 2701,
         *         "bits_used": 369,
         *         "of": 8,
         *         "step": 2,
         *         "weight_fraction_bits": 250
         *       }
         *     }
         */
        ModelView: {
            /** Code */
            code: string | null;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Declined */
            declined: components["schemas"]["DeclinedOwner"][];
            /** Due At */
            due_at: string | null;
            /** Ended At */
            ended_at: string | null;
            /** Goes On */
            goes_on: boolean;
            /** Id */
            id: string;
            /** Kind */
            kind: string | null;
            /** Log Head */
            log_head?: string | null;
            model_owner: components["schemas"]["PartyName"];
            /** Owners */
            owners: components["schemas"]["PartyName"][];
            /** Pace */
            pace: components["schemas"]["OwnerPace"][];
            phase: components["schemas"]["Phase"];
            /** Pruned At */
            pruned_at: string | null;
            /** Reason */
            reason: string | null;
            /** Round */
            round: number | null;
            /** Rounds */
            rounds: number | null;
            /** Seconds Left */
            seconds_left: number | null;
            /** Started At */
            started_at: string | null;
            status: components["schemas"]["Status"];
            /** Waiting For */
            waiting_for: components["schemas"]["Awaited"][];
            window: components["schemas"]["WindowPosition"] | null;
        };
        /**
         * NewPassword
         * @description A person's password, and the one that is to be in its place.
         * @example {
         *       "new_password": "staple, haystack, needle",
         *       "old_password": "correct horse battery"
         *     }
         */
        NewPassword: {
            /** New Password */
            new_password: string;
            /** Old Password */
            old_password: string;
        };
        /**
         * NewPerson
         * @description An account that is to be, with a first password, which the person changes after signing in.
         * @example {
         *       "name": "ben",
         *       "password": "correct horse battery",
         *       "role": "auditor"
         *     }
         */
        NewPerson: {
            /** Name */
            name: string;
            /** Password */
            password: string;
            role: components["schemas"]["PersonRole"];
        };
        /**
         * OwnerPace
         * @description Pace of an owner, as the Facilitator sees it.
         *
         *     `answered_after_s`: seconds from the round's request to its answer, None while there is none. `last_answer_after_s`:
         *     the same of its last answer, whatever the round, None before the first. `rounds_missed`: whose sum is without it.
         *     `left`: it is asked no more.
         */
        OwnerPace: {
            /** Answered After S */
            answered_after_s: number | null;
            /** Last Answer After S */
            last_answer_after_s?: number | null;
            /** Left */
            left: boolean;
            /** Name */
            name: string;
            /** Party */
            party: string;
            /** Rounds Missed */
            rounds_missed: number;
        };
        /** PartyName */
        PartyName: {
            /** Name */
            name: string;
            /** Party */
            party: string;
        };
        /**
         * PartyView
         * @description A registered Data Owner, a Model Owner of a job, or another party that polls.
         *
         *     `name` and `role` are null where neither a registration, a job nor a token says them. `seen_at`: its latest poll;
         *     `silent`: it has not polled for longer than one that runs would. `version` and `clock_ahead_s`, what it said of
         *     itself in that poll: the seconds by which its clock is before this one.
         * @example {
         *       "clock_ahead_s": 0,
         *       "datasets": [
         *         "default"
         *       ],
         *       "name": "clinic-a",
         *       "party": "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a",
         *       "registered_at": "2026-01-12T09:27:00.000Z",
         *       "role": "data-owner",
         *       "seen_at": "2026-01-12T09:30:05.120Z",
         *       "silent": false,
         *       "version": "0.5.0"
         *     }
         */
        PartyView: {
            /** Clock Ahead S */
            clock_ahead_s: number | null;
            /** Datasets */
            datasets: string[];
            /** Name */
            name: string | null;
            /** Party */
            party: string;
            /** Registered At */
            registered_at: string | null;
            role: components["schemas"]["Role"] | null;
            /** Seen At */
            seen_at: string | null;
            /** Silent */
            silent: boolean;
            /** Version */
            version: string | null;
        };
        /**
         * PeopleView
         * @description All accounts by name, and the roles that the caller may give.
         * @example {
         *       "gives": [
         *         "owner",
         *         "auditor"
         *       ],
         *       "people": [
         *         {
         *           "created_at": "2026-01-12T09:27:00Z",
         *           "disabled": false,
         *           "id": 2,
         *           "name": "ben",
         *           "role": "compliance-officer",
         *           "signs_in_by": "password"
         *         }
         *       ]
         *     }
         */
        PeopleView: {
            /** Gives */
            gives: components["schemas"]["PersonRole"][];
            /** People */
            people: components["schemas"]["PersonView"][];
        };
        /**
         * PersonChange
         * @description Another role, or whether the account is kept out: one of both.
         * @example {
         *       "role": "auditor"
         *     }
         */
        PersonChange: {
            /** Disabled */
            disabled?: boolean | null;
            role?: components["schemas"]["PersonRole"] | null;
        };
        /**
         * PersonRole
         * @description Role of one of a party's own people; what a whole party is, `fedtrain.protocol.states.Role` says.
         * @enum {string}
         */
        PersonRole: "owner" | "admin" | "compliance-officer" | "data-scientist" | "auditor";
        /**
         * PersonView
         * @description An account. `signs_in_by`: with a password here, or by the organisation's provider, which says its role.
         * @example {
         *       "created_at": "2026-01-12T09:27:00Z",
         *       "disabled": false,
         *       "id": 2,
         *       "name": "ben",
         *       "role": "compliance-officer",
         *       "signs_in_by": "password"
         *     }
         */
        PersonView: {
            /** Created At */
            created_at: string;
            /** Disabled */
            disabled: boolean;
            /** Id */
            id: number;
            /** Name */
            name: string;
            role: components["schemas"]["PersonRole"];
            /**
             * Signs In By
             * @enum {string}
             */
            signs_in_by: "password" | "organisation";
        };
        /**
         * Phase
         * @description Phase of a job at one party. The last three end it, at every party.
         * @enum {string}
         */
        Phase: "PREPARING" | "DEPLOYING" | "JOINING" | "WAITING_FOR_MODEL_OWNER" | "WAITING_FOR_DATA_OWNERS" | "ADDING" | "AGREEING" | "UNMASKING" | "TRAINING" | "OFFERED" | "AWAITING_APPROVAL" | "JOINED" | "DECLINED" | "FINISHED" | "FAILED" | "CANCELLED";
        /**
         * Ready
         * @description The answer to GET /readyz when all is well. `access`: whether callers must show a token, or are believed.
         *
         *     `remarks`: what keeps the service from some of its work, and is left out where nothing does.
         */
        Ready: {
            /**
             * Access
             * @enum {string}
             */
            access: "open" | "token";
            /** Checks */
            checks: {
                [key: string]: string;
            };
            /**
             * Remarks
             * @default []
             */
            remarks: string[];
            /** Status */
            status: string;
        };
        /**
         * RequestEntry
         * @description A message or a decision, as it was signed.
         */
        RequestEntry: {
            /**
             * Kind
             * @enum {string}
             */
            kind: "message" | "decision";
            signed: components["schemas"]["SignedDocument"];
        };
        /**
         * RequestList
         * @description Requests of one party, the newest first. `next`: what to ask for those that follow, None at the end.
         */
        RequestList: {
            /** Next */
            next?: number | null;
            /** Requests */
            requests: components["schemas"]["KeptRequest"][];
        };
        /**
         * RequestsEdition
         * @description A text that is another one once there is something new in a party's requests.
         * @example {
         *       "edition": "3.14"
         *     }
         */
        RequestsEdition: {
            /** Edition */
            edition: string;
        };
        /**
         * Role
         * @enum {string}
         */
        Role: "facilitator" | "model-owner" | "data-owner";
        /**
         * ServiceIdentity
         * @description The answer to GET /identity.
         */
        ServiceIdentity: {
            /** Name */
            name: string;
            /** Party Id */
            party_id: string;
            /** Protocol */
            protocol: string;
            role: components["schemas"]["Role"];
            /** Version */
            version: string;
        };
        /**
         * SessionView
         * @description The caller's rights here: look, and decide. `access`: whether looking takes a session or token at all.
         *
         *     `accounts`: whether people sign in with accounts, `organisation`: whether they may by their organisation's provider.
         *     `account`, `role`: of who has. `may`: the permissions that the
         *     caller has, by name.
         * @example {
         *       "access": "open",
         *       "account": "ana",
         *       "accounts": true,
         *       "decides": true,
         *       "looks": true,
         *       "may": [
         *         "look",
         *         "sign_off"
         *       ],
         *       "organisation": false,
         *       "role": "compliance-officer",
         *       "session": true
         *     }
         */
        SessionView: {
            /**
             * Access
             * @enum {string}
             */
            access: "open" | "token";
            /** Account */
            account: string | null;
            /** Accounts */
            accounts: boolean;
            /** Decides */
            decides: boolean;
            /** Looks */
            looks: boolean;
            /** May */
            may: string[];
            /** Organisation */
            organisation: boolean;
            role: components["schemas"]["PersonRole"] | null;
            /** Session */
            session: boolean;
        };
        /**
         * SignedDocument
         * @description A document as exact text, who signed it, and the signature in hex.
         */
        SignedDocument: {
            /** Document */
            document: string;
            /** Signature */
            signature: string;
            /** Signer */
            signer: string;
        };
        /**
         * SignIn
         * @description An account's name and password, or the last part of a link that opens a session once.
         *
         *     Without either the request shows a token.
         * @example {
         *       "name": "ana",
         *       "password": "correct horse battery"
         *     }
         */
        SignIn: {
            /** Code */
            code?: string | null;
            /** Name */
            name?: string | null;
            /** Password */
            password?: string | null;
        };
        /**
         * Status
         * @description Status as a person is told it.
         * @enum {string}
         */
        Status: "INITIATED" | "IN_PROGRESS" | "FINISHED" | "FAILED" | "CANCELLED";
        /**
         * TaskHeader
         * @description A task as `GET /tasks` lists it; the request's bytes are at `GET /tasks/{id}/request`.
         *
         *     `sequence` grows: `GET /tasks?after=N` lists only what came after N, so that a poll does not return at once for
         *     tasks that the caller is already at work on.
         */
        TaskHeader: {
            /** Created At */
            created_at: string;
            /** Id */
            id: string;
            /** Job Id */
            job_id: string | null;
            /** Key */
            key: string;
            kind: components["schemas"]["TaskKind"];
            /** Recipient */
            recipient: string;
            /** Sender */
            sender: string;
            /** Sequence */
            sequence: number;
        };
        /**
         * TaskKind
         * @enum {string}
         */
        TaskKind: "join" | "compute" | "sign_set" | "unmask" | "step" | "end" | "scoring" | "score" | "model";
        /**
         * TaskList
         * @description The answer to `GET /tasks`.
         */
        TaskList: {
            /** Tasks */
            tasks: components["schemas"]["TaskHeader"][];
        };
        /**
         * WindowPosition
         * @description One step of a window; a job without windows is always at step 0 of 1.
         *
         *     `step`: updates since the weights were last encrypted afresh, of `of`. `weight_fraction_bits`: the scale of the
         *     weights that were asked with; `answer_fraction_bits`: of the answers. `bits_used`: of a slot in the worst case up
         *     to the update that follows, the sign included, of `bits_available` in a plaintext.
         * @example {
         *       "answer_fraction_bits": 282,
         *       "bits_available": 3070,
         *       "bits_left": 2701,
         *       "bits_used": 369,
         *       "of": 8,
         *       "step": 2,
         *       "weight_fraction_bits": 250
         *     }
         */
        WindowPosition: {
            /** Answer Fraction Bits */
            answer_fraction_bits: number;
            /** Bits Available */
            bits_available: number;
            /** Bits Left */
            bits_left: number;
            /** Bits Used */
            bits_used: number;
            /** Of */
            of: number;
            /** Step */
            step: number;
            /** Weight Fraction Bits */
            weight_fraction_bits: number;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
