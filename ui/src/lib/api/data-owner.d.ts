// What the data-owner's routes answer with, written by scripts/types.mjs from its OpenAPI document.
export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * Asked
         * @description A job in the words that are shown before a person approves or declines it.
         */
        Asked: {
            /** Auditors */
            auditors: string[];
            /** Columns */
            columns: string[];
            /** Dataset */
            dataset: string;
            /** Earlier Jobs */
            earlier_jobs: string[];
            /** Job */
            job: string;
            /** Key */
            key: string;
            /** Least Owners */
            least_owners: number;
            /** Leaves */
            leaves: string | null;
            /** Model */
            model: string;
            /** Model Owner */
            model_owner: string;
            /** Name */
            name: string | null;
            /** Predicts */
            predicts: string;
            /** Privacy */
            privacy: string | null;
            /** Purpose */
            purpose: string;
            /** Risks */
            risks: string[];
            /** Targets */
            targets: string[];
            /** Waits Because */
            waits_because: string | null;
            /** Weights */
            weights: string;
            /** Who Else */
            who_else: string;
        };
        /**
         * AskedByRequest
         * @description A request in the words that are shown before a person decides about it, a line a matter, as of a job.
         *
         *     `budget`: what a job of it takes of these records' privacy, and what is left. `policy`: what this owner's policy
         *     would do with the job by itself, None where it would let it in.
         */
        AskedByRequest: {
            /** Auditors */
            auditors: string[];
            /** Budget */
            budget: string | null;
            /** Columns */
            columns: string[];
            /** Dataset */
            dataset: string;
            /** Earlier Jobs */
            earlier_jobs: string[];
            /** Key */
            key: string;
            /** Least Owners */
            least_owners: number;
            /** Leaves */
            leaves: string | null;
            /** Model */
            model: string;
            /** Model Owner */
            model_owner: string;
            /** Name */
            name: string | null;
            /** Policy */
            policy: string | null;
            /** Predicts */
            predicts: string;
            /** Privacy */
            privacy: string | null;
            /** Purpose */
            purpose: string;
            /** Request */
            request: string;
            /** Risks */
            risks: string[];
            /** Targets */
            targets: string[];
            /** Weights */
            weights: string;
            /** Who Else */
            who_else: string;
        };
        /**
         * AskedLine
         * @description A request that asks this owner. `waits`: for its people to decide.
         * @example {
         *       "approved": 1,
         *       "created_at": "2026-01-12T09:28:00Z",
         *       "dataset": "default",
         *       "id": "7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c",
         *       "messages": 1,
         *       "model_owner": "3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b",
         *       "model_owner_name": "acme",
         *       "owners": [
         *         {
         *           "card": "cacacacacacacacacacacacacacacacacacacacacacacacacacacacacacacaca",
         *           "conditions": {
         *             "max_rounds": 20,
         *             "until": "2026-06-30T00:00:00Z"
         *           },
         *           "dataset": "default",
         *           "decided_at": "2026-01-13T08:15:00Z",
         *           "decision": "approved",
         *           "departs": [],
         *           "name": "clinic-a",
         *           "party": "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a",
         *           "title": "Stays on the cardiology wards, 2015 to 2024"
         *         }
         *       ],
         *       "purpose": "plan beds for the winter",
         *       "title": "stay in hospital",
         *       "waits": false
         *     }
         */
        AskedLine: {
            /** Approved */
            approved: number;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Dataset */
            dataset: string;
            /** Id */
            id: string;
            /** Messages */
            messages: number;
            /** Model Owner */
            model_owner: string;
            /** Model Owner Name */
            model_owner_name: string;
            /** Owners */
            owners: components["schemas"]["AskedOwner"][];
            /** Purpose */
            purpose: string;
            /** Title */
            title: string;
            /** Waits */
            waits: boolean;
        };
        /**
         * AskedList
         * @description A page of requests, the newest first. `next`: what to ask for those that follow, None at the end.
         */
        AskedList: {
            /** Next */
            next: number | null;
            /** Refused */
            refused: components["schemas"]["RefusedRequest"][];
            /** Requests */
            requests: components["schemas"]["AskedLine"][];
        };
        /**
         * AskedOwner
         * @description An owner that is asked, by which card, and what it has decided so far; all None before it has.
         *
         *     `departs`: where it has approved, why the job cannot come by that approval now: field and reason; [] where it can.
         */
        AskedOwner: {
            /** Card */
            card: string;
            conditions: components["schemas"]["Conditions-Output"] | null;
            /** Dataset */
            dataset: string;
            /** Decided At */
            decided_at: string | null;
            /** Decision */
            decision: ("approved" | "declined") | null;
            /** Departs */
            departs: string[];
            /** Name */
            name: string;
            /** Party */
            party: string;
            /** Reason */
            reason: string | null;
            /** Title */
            title: string;
        };
        /**
         * AskedView
         * @description A request that asks this owner, with all that was said. `asked`: in the words that a person decides on; None
         *     where this version cannot plan it, and `cannot_be_shown` says why.
         * @example {
         *       "approved": 1,
         *       "cannot_be_shown": "…",
         *       "created_at": "2026-01-12T09:28:00Z",
         *       "dataset": "default",
         *       "id": "7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c",
         *       "messages": 1,
         *       "model_owner": "3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b",
         *       "model_owner_name": "acme",
         *       "owners": [
         *         {
         *           "card": "cacacacacacacacacacacacacacacacacacacacacacacacacacacacacacacaca",
         *           "conditions": {
         *             "max_rounds": 20,
         *             "until": "2026-06-30T00:00:00Z"
         *           },
         *           "dataset": "default",
         *           "decided_at": "2026-01-13T08:15:00Z",
         *           "decision": "approved",
         *           "departs": [],
         *           "name": "clinic-a",
         *           "party": "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a",
         *           "title": "Stays on the cardiology wards, 2015 to 2024"
         *         }
         *       ],
         *       "purpose": "plan beds for the winter",
         *       "spec": {},
         *       "thread": [
         *         {
         *           "at": "2026-01-12T10:02:00Z",
         *           "name": "clinic-a",
         *           "party": "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a",
         *           "text": "Which wards is it about?"
         *         }
         *       ],
         *       "title": "stay in hospital",
         *       "waits": false
         *     }
         */
        AskedView: {
            /** Approved */
            approved: number;
            asked: components["schemas"]["AskedByRequest"] | null;
            /** Cannot Be Shown */
            cannot_be_shown: string | null;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Dataset */
            dataset: string;
            /** Id */
            id: string;
            /** Messages */
            messages: number;
            /** Model Owner */
            model_owner: string;
            /** Model Owner Name */
            model_owner_name: string;
            /** Owners */
            owners: components["schemas"]["AskedOwner"][];
            /** Purpose */
            purpose: string;
            /** Spec */
            spec: {
                [key: string]: unknown;
            };
            /** Thread */
            thread: components["schemas"]["Said"][];
            /** Title */
            title: string;
            /** Waits */
            waits: boolean;
        };
        /**
         * Audit
         * @description The records, oldest first; `head` is the last one's hash as it is stored. `fedtrain audit` recomputes it all.
         */
        Audit: {
            /** Head */
            head: string;
            /** Records */
            records: (components["schemas"]["ReleaseRecord"] | components["schemas"]["DecisionRecord"] | components["schemas"]["SpendingRecord"])[];
        };
        /**
         * Budget
         * @description The policy's budget of each record, and each dataset's account.
         *
         *     `forgotten`: releases that were told and that the store, an older copy, does not know; they count all the same.
         * @example {
         *       "at_end": "refuse",
         *       "datasets": [
         *         {
         *           "dataset": "default",
         *           "delta": 0.000001,
         *           "epsilon_left": 2.79,
         *           "epsilon_spent": 1,
         *           "exact": false,
         *           "releases": [
         *             {
         *               "booked_at": "2026-01-31T09:30:07.000Z",
         *               "delta": 0.000001,
         *               "epsilon": 1,
         *               "job_id": "0f2d7c1a9b3e4d5f8a6b7c8d9e0f1a2b",
         *               "release": "3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b"
         *             }
         *           ],
         *           "reserved": 0,
         *           "version": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
         *         }
         *       ],
         *       "delta": 0.000001,
         *       "epsilon": 3,
         *       "forgotten": 0,
         *       "per_job": 1
         *     }
         */
        Budget: {
            /** At End */
            at_end: string;
            /** Datasets */
            datasets: components["schemas"]["DatasetBudget"][];
            /** Delta */
            delta: number | null;
            /** Epsilon */
            epsilon: number | null;
            /** Forgotten */
            forgotten: number;
            /** Per Job */
            per_job: number | null;
        };
        /**
         * ColumnContents
         * @description One declared column. `bins`: records in each of equal parts of `range`; `categories`: records of each.
         */
        ColumnContents: {
            /** Bins */
            bins: number[] | null;
            /** Categories */
            categories: {
                [key: string]: number;
            } | null;
            /** Clipped High */
            clipped_high: number;
            /** Clipped Low */
            clipped_low: number;
            /** Column */
            column: string;
            /** Constant */
            constant: boolean;
            /** Missing */
            missing: number;
            /** Range */
            range: [
                number,
                number
            ] | null;
        };
        /**
         * Conditions
         * @description Terms of an approval, all of which must hold when the job comes; what is not given is left out.
         *
         *     `until`: the job has to come before. `max_rounds`, `max_epsilon`: the job may take that at most.
         */
        "Conditions-Input": {
            /** Max Epsilon */
            max_epsilon?: number | null;
            /** Max Rounds */
            max_rounds?: number | null;
            /** Until */
            until?: string | null;
        };
        "Conditions-Output": {
            [key: string]: unknown;
        };
        /**
         * Consents
         * @description Consents that owners signed, each at its own port.
         */
        Consents: {
            /** Consents */
            consents: components["schemas"]["SignedDocument"][];
        };
        /**
         * ConsentView
         * @description A statement that owners sign: over which roster a sum may be told, after which others; and who has signed.
         */
        ConsentView: {
            /** Earlier */
            earlier: components["schemas"]["PartyView"][][];
            /** Job Id */
            job_id: string;
            /** Missing */
            missing: components["schemas"]["PartyView"][];
            /** Roster */
            roster: components["schemas"]["PartyView"][];
            /** Signed By */
            signed_by: components["schemas"]["PartyView"][];
        };
        /**
         * Contents
         * @description A table held against a declaration. `rows` is None, and `columns` empty, where there is no declaration yet.
         * @example {
         *       "columns": [
         *         {
         *           "categories": {
         *             "F": 70,
         *             "M": 50
         *           },
         *           "clipped_high": 0,
         *           "clipped_low": 0,
         *           "column": "sex",
         *           "constant": false,
         *           "missing": 0
         *         }
         *       ],
         *       "findings": [],
         *       "fits": true,
         *       "mapping": [
         *         {
         *           "column": "sex",
         *           "listed": [
         *             [
         *               "female",
         *               "F",
         *               70
         *             ],
         *             [
         *               "male",
         *               "M",
         *               50
         *             ]
         *           ],
         *           "missing": 0,
         *           "no_date": 0,
         *           "recoded": 120,
         *           "source": "gender",
         *           "values": 120
         *         }
         *       ],
         *       "rows": 120,
         *       "rows_dropped": 0
         *     }
         */
        Contents: {
            /** Columns */
            columns: components["schemas"]["ColumnContents"][];
            /** Findings */
            findings: string[];
            /** Fits */
            fits: boolean | null;
            /** Mapping */
            mapping: components["schemas"]["MappedColumn"][];
            /** Rows */
            rows: number | null;
            /** Rows Dropped */
            rows_dropped: number;
        };
        /**
         * DatabaseView
         * @description A database that may be queried.
         */
        DatabaseView: {
            /** Name */
            name: string;
        };
        /**
         * DatasetBudget
         * @description A dataset on offer. All ε are at `delta`, the budget's, or where there is none the largest that was claimed.
         *
         *     `exact`: sums of some of its rows were told without noise, so that there is no ε for them. `reserved`: jobs that
         *     have joined and were told nothing yet. `epsilon_left`: of one more release; None without a budget.
         */
        DatasetBudget: {
            /** Dataset */
            dataset: string;
            /** Delta */
            delta: number | null;
            /** Epsilon Left */
            epsilon_left: number | null;
            /** Epsilon Spent */
            epsilon_spent: number;
            /** Exact */
            exact: boolean;
            /** Releases */
            releases: components["schemas"]["ReleaseView"][];
            /** Reserved */
            reserved: number;
            /** Version */
            version: string;
        };
        /**
         * DatasetView
         * @description A dataset on offer. `encoding` is "declared", "adopted" (from `adopted_from`) or "open".
         *
         *     `fits`: true where the table is as its schema says; null without a schema, and as long as the table is being read.
         *     `findings`: what does not fit, questions that only its owner can answer, and why the policy would decline jobs on
         *     it or have them wait for a person; with values and counts, and what to change. `mapping`: a hash of what its mapping
         *     file said, which belongs to `version`; null where there is none.
         */
        DatasetView: {
            /** Adopted From */
            adopted_from: string | null;
            /** Columns */
            columns: string[];
            /** Encoding */
            encoding: string;
            /** Findings */
            findings: string[];
            /** Fits */
            fits: boolean | null;
            /** Mapping */
            mapping: string | null;
            /** Name */
            name: string;
            /** Registered At */
            registered_at: string;
            /** Schema */
            schema: {
                [key: string]: unknown;
            } | null;
            /** Version */
            version: string;
        };
        /**
         * DecisionKind
         * @description A person's decisions about a job, a request for one, or this owner's people; and queries that made a table.
         * @enum {string}
         */
        DecisionKind: "approved" | "risks_taken" | "denied" | "consent_signed" | "consent_taken" | "signed_off" | "sign_off_refused" | "personalised" | "request_approved" | "request_declined" | "queried" | "account_added" | "role_changed" | "password_changed" | "account_disabled" | "account_enabled";
        /**
         * DecisionRecord
         * @description A person's decision, in the chain.
         */
        DecisionRecord: {
            /**
             * About
             * @default []
             */
            about: string[];
            /** By */
            by?: string | null;
            /** Consent */
            consent?: string | null;
            /** Dataset */
            dataset?: string | null;
            /** Decided At */
            decided_at: string;
            decision: components["schemas"]["DecisionKind"];
            /** Hash */
            hash: string;
            /** Index */
            index: number;
            /** Job Id */
            job_id?: string | null;
            /** Previous */
            previous: string;
            /** Reason */
            reason?: string | null;
            /** Request */
            request?: string | null;
            /** Result */
            result?: string | null;
            /** Signed In */
            signed_in?: boolean | null;
            /** Signer */
            signer?: string | null;
            /** Token Id */
            token_id?: string | null;
            /** Version */
            version?: string | null;
        };
        /**
         * Denial
         * @description Reason for this owner not to take part. It stays here: others are told `denied` alone.
         */
        Denial: {
            /** Reason */
            reason: string;
        };
        /**
         * EarlierView
         * @description A job that this owner has answered, and whose sums this one's could be combined with.
         */
        EarlierView: {
            /** Dataset Version */
            dataset_version: string;
            /** Id */
            id: string;
            /** Owners */
            owners: string[];
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
         * HeadsOfJob
         * @description Statements of parties about the end of a job, as they signed them.
         */
        HeadsOfJob: {
            /** Job Id */
            job_id: string;
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
         * JobDetail
         * @description A job with its columns, plan, training terms, every release, and what its sums could be subtracted from.
         *
         *     `spec`: the whole spec that its Model Owner signed: name and purpose, model, features and targets.
         *
         *     `differencing_risks` are those that a person has to take, or has taken; `earlier_jobs` are those on the same rows,
         *     as far as that is known, with the owners that each was over; `consents` are those to this job. `asked`: all of it in
         *     the words that a person decides on, None where the job's manifest could not be opened. `training_now`: how far the
         *     local training of a network is, None where none runs.
         */
        JobDetail: {
            asked: components["schemas"]["Asked"] | null;
            /** Changed At */
            changed_at: string;
            /** Code */
            code: string | null;
            /** Consents */
            consents: components["schemas"]["ConsentView"][];
            /** Created At */
            created_at: string;
            /** Dataset */
            dataset: string | null;
            /** Dataset Version */
            dataset_version: string | null;
            /** Differencing Risks */
            differencing_risks: string[];
            /** Earlier Jobs */
            earlier_jobs: components["schemas"]["EarlierView"][];
            /** Id */
            id: string;
            /** Last Refused Request */
            last_refused_request: {
                [key: string]: string;
            } | null;
            leak: components["schemas"]["Leak"] | null;
            /** Model Owner */
            model_owner: string | null;
            /** Model Owner Name */
            model_owner_name: string | null;
            /** Name */
            name: string | null;
            phase: components["schemas"]["Phase"];
            /** Plan */
            plan: {
                [key: string]: unknown;
            } | null;
            /** Reason */
            reason: string | null;
            released: components["schemas"]["Released"];
            /** Releases */
            releases: components["schemas"]["Release"][];
            /** Request */
            request?: string | null;
            /** Round */
            round: number | null;
            /** Rounds */
            rounds: number | null;
            sign_off?: components["schemas"]["SignOffStanding"] | null;
            /** Spec */
            spec: {
                [key: string]: unknown;
            } | null;
            status: components["schemas"]["Status"];
            /** Training */
            training: {
                [key: string]: unknown;
            } | null;
            training_now?: components["schemas"]["TrainingView"] | null;
            /** Waits Because */
            waits_because: string | null;
        };
        /**
         * Leak
         * @description Numbers that the Model Owner learns by the protocol: so many a decrypted round, of so many there are.
         */
        Leak: {
            /**
             * Holds If
             * @default the Model Owner follows the protocol; one crafted request can carry all of the summed moments
             */
            holds_if: string;
            /** Numbers In All Moments */
            numbers_in_all_moments: number;
            /** Numbers Per Round */
            numbers_per_round: number;
            /** Rounds At Most */
            rounds_at_most: number;
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
         * MappedColumn
         * @description The mapping's effect on a column, in records. `listed`: a value, what it becomes (null: missing), and how often.
         *
         *     `values`: with a value before; `missing`: made missing by a code; `unit`: numbers are multiplied by, and added to.
         */
        MappedColumn: {
            /** Column */
            column: string;
            /** Listed */
            listed: [
                string,
                string | null,
                number
            ][];
            /** Missing */
            missing: number;
            /** No Date */
            no_date: number;
            /** Recoded */
            recoded: number;
            /** Source */
            source: string;
            /** Unit */
            unit: [
                number,
                number
            ] | null;
            /** Values */
            values: number;
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
         * OwnerJobView
         * @description A job as this owner's own people see it: with the reasons in full, which nobody else is told.
         *
         *     `request`: the id of the request that it comes of.
         */
        OwnerJobView: {
            /** Changed At */
            changed_at: string;
            /** Code */
            code: string | null;
            /** Created At */
            created_at: string;
            /** Dataset */
            dataset: string | null;
            /** Dataset Version */
            dataset_version: string | null;
            /** Id */
            id: string;
            /** Last Refused Request */
            last_refused_request: {
                [key: string]: string;
            } | null;
            leak: components["schemas"]["Leak"] | null;
            /** Model Owner */
            model_owner: string | null;
            /** Model Owner Name */
            model_owner_name: string | null;
            /** Name */
            name: string | null;
            phase: components["schemas"]["Phase"];
            /** Reason */
            reason: string | null;
            released: components["schemas"]["Released"];
            /** Request */
            request?: string | null;
            /** Round */
            round: number | null;
            /** Rounds */
            rounds: number | null;
            sign_off?: components["schemas"]["SignOffStanding"] | null;
            status: components["schemas"]["Status"];
            /** Waits Because */
            waits_because: string | null;
        };
        /**
         * OwnPrediction
         * @description One value a row, in the units of the target; of a classifier probabilities, and the likeliest classes.
         * @example {
         *       "model_id": "0f4b6d1c9e7a4c52b8d3a6e5f1029384",
         *       "personal": false,
         *       "values": [
         *         172.4,
         *         139.9
         *       ]
         *     }
         */
        OwnPrediction: {
            /** Class Names */
            class_names?: string[] | null;
            /** Classes */
            classes?: string[] | null;
            /** Model Id */
            model_id: string;
            /** Personal */
            personal: boolean;
            /** Values */
            values: number[] | number[][];
        };
        /**
         * PartyView
         * @description An owner concerned. `name`: as it called itself in a job that this owner took part in.
         */
        PartyView: {
            /** Name */
            name: string | null;
            /** Party */
            party: string;
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
         * PersonalModel
         * @description A copy of the network, trained further on this owner's records. It stays in `file`, here, and is never sent.
         *
         *     `loss_before` and `loss_after`: of the network and of the copy on a `part` of the records: those that this owner
         *     holds out, or, in a job in which it holds none out, those that the copy was trained on.
         */
        PersonalModel: {
            /** Accuracy After */
            accuracy_after: number | null;
            /** Accuracy Before */
            accuracy_before: number | null;
            /** Epochs */
            epochs: number;
            /** File */
            file: string;
            /** Hash */
            hash: string;
            /** Learning Rate */
            learning_rate: number;
            /** Loss After */
            loss_after: number;
            /** Loss Before */
            loss_before: number;
            /** Model Id */
            model_id: string;
            /**
             * Part
             * @enum {string}
             */
            part: "training" | "validation";
            /** Seconds */
            seconds: number;
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
         * PrivacyView
         * @description The job's claim, and the account of these records with it: spent, and left of the budget (None: no budget).
         */
        PrivacyView: {
            /** Delta */
            delta: number;
            /** Epsilon */
            epsilon: number;
            /** Epsilon Left */
            epsilon_left: number | null;
            /** Epsilon Spent */
            epsilon_spent: number;
            /** Honest Owners */
            honest_owners: number;
        };
        /**
         * QueriedDataset
         * @description A dataset that is on offer now, of so many `rows`.
         */
        QueriedDataset: {
            /** Adopted From */
            adopted_from: string | null;
            /** Columns */
            columns: string[];
            /** Encoding */
            encoding: string;
            /** Findings */
            findings: string[];
            /** Fits */
            fits: boolean | null;
            /** Mapping */
            mapping: string | null;
            /** Name */
            name: string;
            /** Registered At */
            registered_at: string;
            /** Rows */
            rows: number;
            /** Schema */
            schema: {
                [key: string]: unknown;
            } | null;
            /** Version */
            version: string;
        };
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
         * RefusedRequest
         * @description A request that is not shown: who seems to have made it, and why it is not believed.
         */
        RefusedRequest: {
            /** Signer */
            signer: string;
            /** Why */
            why: string;
        };
        /**
         * Release
         * @description One answer that left this owner: how many numbers, of which dataset version, to whom.
         */
        Release: {
            /** Dataset */
            dataset: string;
            /** Job Id */
            job_id: string;
            /** Kind */
            kind: string;
            /** Numbers */
            numbers: number;
            /** Recipient */
            recipient: string;
            /** Released At */
            released_at: string;
            /** Round */
            round: number;
            /** Version */
            version: string;
        };
        /**
         * Released
         * @description All that left this owner for the job so far.
         */
        Released: {
            /** Answers */
            answers: number;
            /** Numbers */
            numbers: number;
        };
        /**
         * ReleaseRecord
         * @description An answer that left, in the chain.
         */
        ReleaseRecord: {
            /** Dataset */
            dataset: string;
            /** Hash */
            hash: string;
            /** Index */
            index: number;
            /** Job Id */
            job_id: string;
            /** Kind */
            kind: string;
            /** Numbers */
            numbers: number;
            /** Previous */
            previous: string;
            /** Recipient */
            recipient: string;
            /** Released At */
            released_at: string;
            /** Round */
            round: number;
            /** Version */
            version: string;
        };
        /**
         * ReleaseView
         * @description A release that was told, once for all jobs within it. `job_id`: the first of them.
         */
        ReleaseView: {
            /** Booked At */
            booked_at: string;
            /** Delta */
            delta: number;
            /** Epsilon */
            epsilon: number;
            /** Job Id */
            job_id: string;
            /** Release */
            release: string;
        };
        /**
         * RequestApproval
         * @description Approval of a request. `by`: who decides, as this owner's audit is to name this person; who is
         *     signed in is named by the account.
         * @example {
         *       "by": "ana",
         *       "conditions": {
         *         "max_rounds": 20,
         *         "until": "2026-06-30T00:00:00Z"
         *       }
         *     }
         */
        RequestApproval: {
            /** By */
            by?: string | null;
            /** @default {} */
            conditions: components["schemas"]["Conditions-Input"];
        };
        /**
         * RequestRefusal
         * @description Decline of a request. `reason`: told to all parties to it, where one is given. `by`: as of an approval.
         * @example {
         *       "by": "ana",
         *       "reason": "Not for sale."
         *     }
         */
        RequestRefusal: {
            /** By */
            by?: string | null;
            /** Reason */
            reason?: string | null;
        };
        /**
         * Role
         * @enum {string}
         */
        Role: "facilitator" | "model-owner" | "data-owner";
        /**
         * Said
         * @description A message under a request, in the words of a party to it.
         */
        Said: {
            /**
             * At
             * Format: date-time
             */
            at: string;
            /** Name */
            name: string;
            /** Party */
            party: string;
            /** Text */
            text: string;
        };
        /**
         * Scores
         * @description One value a row, in the units of the target; of a classifier probabilities, and the likeliest classes.
         *
         *     `scores_left`: rows that the model's quota still allows, to all owners together.
         * @example {
         *       "model_id": "0f4b6d1c9e7a4c52b8d3a6e5f1029384",
         *       "scores_left": 8,
         *       "values": [
         *         172.4,
         *         139.9
         *       ]
         *     }
         */
        Scores: {
            /** Class Names */
            class_names?: string[] | null;
            /** Classes */
            classes?: string[] | null;
            /** Model Id */
            model_id: string;
            /** Scores Left */
            scores_left?: number | null;
            /** Values */
            values: number[] | number[][];
        };
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
         * SignatoryView
         * @description A person who has signed. `signed_in`: whether `by` is an account's name. `token_id`: of what token was shown.
         */
        SignatoryView: {
            /** At */
            at: string;
            /** By */
            by: string | null;
            /** Signed In */
            signed_in: boolean | null;
            /** Token Id */
            token_id: string | null;
            /** Why */
            why: string | null;
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
         * SignOffDecision
         * @description Decision of one person. `why`: told to all parties where the result is refused, which needs it; kept here else.
         *
         *     `by`: who decides, as this owner's audit is to name this person; who is signed in is named by the account, and can
         *     leave it out. `result`: what this person was shown; what waits is
         *     meant where it is left out.
         */
        SignOffDecision: {
            /** By */
            by?: string | null;
            /**
             * Decision
             * @enum {string}
             */
            decision: "sign_off" | "refuse";
            /** Result */
            result?: string | null;
            /** Why */
            why?: string | null;
        };
        /**
         * SignOffStanding
         * @description Standing of a result at this owner.
         * @enum {string}
         */
        SignOffStanding: "waits" | "signed_off" | "refused";
        /**
         * SignOffView
         * @description A result, before it opens: what was asked and told, who took part, what was checked, and who has signed it off.
         *
         *     `opened_on_the_way`: the Model Owner has the model, and what is decided is whether others get it, which rests on its
         *     word; nothing is `verified` then. `result`: the hash of what all owners have signed, or of the log's last entry.
         *     `rounds`, `numbers`: that this owner answered, and in all of its answers. `people`: how many the policy wants,
         *     `missing`: how many have yet to sign.
         * @example {
         *       "job": "0f2d7c1a9b3e4d5f8a6b7c8d9e0f1a2b",
         *       "missing": 1,
         *       "model_owner": "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29",
         *       "model_owner_name": "model-owner",
         *       "name": "stay in hospital",
         *       "numbers": 78,
         *       "opened_on_the_way": false,
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
         *       "people": 1,
         *       "purpose": "plan beds for the winter",
         *       "result": "5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c",
         *       "rounds": 1,
         *       "signed": [],
         *       "standing": "waits",
         *       "verified": {
         *         "log_head": "2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a",
         *         "of": 2,
         *         "own_answer": "9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f",
         *         "owners_signed": 2
         *       }
         *     }
         */
        SignOffView: {
            /** Job */
            job: string;
            /** Missing */
            missing: number;
            /** Model Owner */
            model_owner: string | null;
            /** Model Owner Name */
            model_owner_name: string | null;
            /** Name */
            name: string | null;
            /** Numbers */
            numbers: number;
            /** Opened On The Way */
            opened_on_the_way: boolean;
            /** Owners */
            owners: components["schemas"]["TookPart"][];
            /** People */
            people: number;
            privacy: components["schemas"]["PrivacyView"] | null;
            /** Purpose */
            purpose: string | null;
            /** Result */
            result: string;
            /** Rounds */
            rounds: number;
            /** Signed */
            signed: components["schemas"]["SignatoryView"][];
            standing: components["schemas"]["SignOffStanding"] | null;
            verified: components["schemas"]["Verified"] | null;
        };
        /**
         * SpendingKind
         * @description Fate of a part of the records' privacy.
         * @enum {string}
         */
        SpendingKind: "reserved" | "booked" | "free" | "given_back";
        /**
         * SpendingRecord
         * @description A part of the records' privacy, in the chain.
         */
        SpendingRecord: {
            /** Dataset */
            dataset: string;
            /** Delta */
            delta: string;
            /** Encoding */
            encoding?: string | null;
            /** Epsilon */
            epsilon: string;
            /** Hash */
            hash: string;
            /** Index */
            index: number;
            /** Job Id */
            job_id: string;
            kind: components["schemas"]["SpendingKind"];
            /** Previous */
            previous: string;
            /** Release */
            release?: string | null;
            /** Rho */
            rho: string;
            /** Row Key */
            row_key?: string | null;
            /** Sampled */
            sampled?: string[] | null;
            /** Share */
            share: string;
            /** Spent At */
            spent_at: string;
            /** Version */
            version: string;
            /** Whole */
            whole?: string | null;
        };
        /**
         * Status
         * @description Status as a person is told it.
         * @enum {string}
         */
        Status: "INITIATED" | "IN_PROGRESS" | "FINISHED" | "FAILED" | "CANCELLED";
        /**
         * TookPart
         * @description An owner that took part.
         */
        TookPart: {
            /** Name */
            name: string;
            /** Party */
            party: string;
        };
        /**
         * ToPredict
         * @description `rows`: objects by column name (or position), or lists in feature order; or a `dataset` that is on offer here.
         *
         *     `personal`: by the copy that was trained on this owner's own records.
         * @example {
         *       "personal": false,
         *       "rows": [
         *         {
         *           "text": "win a prize"
         *         }
         *       ]
         *     }
         */
        ToPredict: {
            /** Dataset */
            dataset?: string | null;
            /**
             * Personal
             * @default false
             */
            personal: boolean;
            /** Rows */
            rows?: unknown[] | null;
        };
        /**
         * ToScore
         * @description `rows`: objects by column name (or position), or lists in feature order; or a `dataset` that is on offer here.
         * @example {
         *       "model_id": "0f4b6d1c9e7a4c52b8d3a6e5f1029384",
         *       "rows": [
         *         {
         *           "age": 0.03
         *         },
         *         [
         *           0.01
         *         ]
         *       ]
         *     }
         */
        ToScore: {
            /** Dataset */
            dataset?: string | null;
            /** Model Id */
            model_id: string;
            /** Rows */
            rows?: unknown[] | null;
        };
        /**
         * ToTrain
         * @description `epochs`: passes over this owner's records. `learning_rate`: the job's own where it is left out.
         *
         *     `by`: who has it trained, as this owner's audit is to name this person; who is signed in is named by the account.
         * @example {
         *       "epochs": 2,
         *       "learning_rate": 0.01
         *     }
         */
        ToTrain: {
            /** By */
            by?: string | null;
            /**
             * Epochs
             * @default 1
             */
            epochs: number;
            /** Learning Rate */
            learning_rate?: number | null;
        };
        /**
         * TrainingView
         * @description Local training that runs now: `step` batches of `steps` are done of its turn in `round`.
         */
        TrainingView: {
            /** Round */
            round: number;
            /** Step */
            step: number;
            /** Steps */
            steps: number;
        };
        /**
         * Verified
         * @description Checks of this owner's service before it asked anybody: so many owners have signed one and the same statement,
         *     of whose answers are summed; this owner's is in it as it was given.
         */
        Verified: {
            /** Log Head */
            log_head: string;
            /** Of */
            of: number;
            /** Own Answer */
            own_answer: string;
            /** Owners Signed */
            owners_signed: number;
        };
        /**
         * Words
         * @description A question, or an answer to one: all parties to the request read it. Plain text, which lines may break in.
         */
        Words: {
            /** Text */
            text: string;
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
