// The data-owner's routes, written by scripts/types.mjs from its OpenAPI document.
export interface paths {
    "/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Everything that left this owner (job, round, kind, how many numbers, to whom), and what people decided */
        get: operations["get_audit_audit_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/budget": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What each dataset's records have spent of their privacy, and what is left */
        get: operations["get_budget_budget_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/cards": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** This owner's cards, as the Facilitator shows them, each verified */
        get: operations["cards_cards_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/consents": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Hand in what other owners signed */
        post: operations["post_consents_consents_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/consents/{job_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The statements on a job, and who signed them */
        get: operations["get_consents_consents__job_id__get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/consents/{job_id}/sign": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sign for this owner that a job's sum may be told over its roster */
        post: operations["sign_consents__job_id__sign_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/consents/{job_id}/signed": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All consents to a job that are here, to be handed to the other owners */
        get: operations["get_signed_consents__job_id__signed_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/datasets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The datasets on offer, each with its version and encoding */
        get: operations["get_datasets_datasets_get"];
        put?: never;
        /** Register a dataset: a file under the data folder, or an upload */
        post: operations["post_dataset_datasets_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/datasets/{name}/card": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Publish a dataset: sign its card, and have the Facilitator show it */
        put: operations["publish_datasets__name__card_put"];
        post?: never;
        /** Withdraw a dataset's card */
        delete: operations["withdraw_datasets__name__card_delete"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Is the process alive? */
        get: operations["healthz_healthz_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/identity": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who is this? */
        get: operations["identity_identity_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Prometheus metrics */
        get: operations["metrics_metrics_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/models": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The jobs this owner was asked to join, the latest first */
        get: operations["get_models_models_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/models/{job_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One job: its plan, what it may reveal, and what was released */
        get: operations["get_model_models__job_id__get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/models/{job_id}/approve": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Let a job in that waits for a person */
        post: operations["approve_models__job_id__approve_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/models/{job_id}/deny": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Refuse a job that waits for a person */
        post: operations["deny_models__job_id__deny_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/models/{job_id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One event a round, a step of a window, and a change of phase; ends with the job */
        get: operations["events_models__job_id__events_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/models/{job_id}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Go on with a job that waits for this owner, as after a restored backup */
        post: operations["resume_models__job_id__resume_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/problems": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Everything that can go wrong, and where to read on */
        get: operations["problems_problems_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/problems/{slug}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One problem: what it means, who meets it, what to do */
        get: operations["problem_problems__slug__get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Can it do its work, and if not, what is missing? */
        get: operations["readyz_readyz_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/score": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Score rows without showing them, by a model that stays hidden; counts against its quota */
        post: operations["score_score_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What may this caller do? */
        get: operations["session_session_get"];
        put?: never;
        /** Open a session in this browser, by a link that the service made or by a token */
        post: operations["open_session_session_post"];
        /** End the session in this browser */
        delete: operations["end_session_session_delete"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/session/links": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Make a link that opens one session, within an hour */
        post: operations["new_link_session_links_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
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
         * @description A person's decisions about a job.
         * @enum {string}
         */
        DecisionKind: "approved" | "risks_taken" | "denied" | "consent_signed" | "consent_taken";
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
            job_id: string;
            /** Previous */
            previous: string;
            /** Reason */
            reason?: string | null;
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
         *     as far as that is known, with the owners that each was over; `consents` are those to this job.
         */
        JobDetail: {
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
            /** Round */
            round: number | null;
            /** Rounds */
            rounds: number | null;
            /** Spec */
            spec: {
                [key: string]: unknown;
            } | null;
            status: components["schemas"]["Status"];
            /** Training */
            training: {
                [key: string]: unknown;
            } | null;
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
         * LinkCode
         * @description The last part of a link that opens a session once. Without it the request shows a token.
         * @example {
         *       "code": "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq"
         *     }
         */
        LinkCode: {
            /** Code */
            code?: string | null;
        };
        /**
         * OwnerJobView
         * @description A job as this owner's own people see it: with the reasons in full, which nobody else is told.
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
            /** Round */
            round: number | null;
            /** Rounds */
            rounds: number | null;
            status: components["schemas"]["Status"];
            /** Waits Because */
            waits_because: string | null;
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
         * Role
         * @enum {string}
         */
        Role: "facilitator" | "model-owner" | "data-owner";
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
         * @example {
         *       "access": "open",
         *       "decides": true,
         *       "looks": true,
         *       "session": true
         *     }
         */
        SessionView: {
            /**
             * Access
             * @enum {string}
             */
            access: "open" | "token";
            /** Decides */
            decides: boolean;
            /** Looks */
            looks: boolean;
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
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    get_audit_audit_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "head": "3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b",
                     *       "records": [
                     *         {
                     *           "about": [
                     *             "This owner's policy has every job approved by hand."
                     *           ],
                     *           "dataset": "default",
                     *           "decided_at": "2025-01-31T09:12:40.000Z",
                     *           "decision": "approved",
                     *           "hash": "2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a",
                     *           "index": 0,
                     *           "job_id": "0f2d7c1a9b3e4d5f8a6b7c8d9e0f1a2b",
                     *           "previous": "0000000000000000000000000000000000000000000000000000000000000000",
                     *           "token_id": "5f0c2a9e41d7",
                     *           "version": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
                     *         },
                     *         {
                     *           "dataset": "default",
                     *           "hash": "3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b",
                     *           "index": 1,
                     *           "job_id": "0f2d7c1a9b3e4d5f8a6b7c8d9e0f1a2b",
                     *           "kind": "counts",
                     *           "numbers": 2,
                     *           "previous": "2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a",
                     *           "recipient": "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29",
                     *           "released_at": "2025-01-31T09:30:07.000Z",
                     *           "round": 0,
                     *           "version": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Audit"];
                };
            };
        };
    };
    get_budget_budget_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Budget"];
                };
            };
        };
    };
    cards_cards_get: {
        parameters: {
            query?: {
                after?: string | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "cards": [
                     *         {
                     *           "dataset": "default",
                     *           "description": "One record a stay.",
                     *           "party": "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a",
                     *           "revision": 1767000000000,
                     *           "size": "10,000 to 100,000",
                     *           "tags": [
                     *             "cardiology"
                     *           ],
                     *           "terms": "Research on length of stay; ask the data office.",
                     *           "title": "Stays on the cardiology wards, 2015 to 2024"
                     *         }
                     *       ],
                     *       "refused": []
                     *     }
                     */
                    "application/json": {
                        [key: string]: unknown;
                    };
                };
            };
        };
    };
    post_consents_consents_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Consents"];
            };
        };
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example [
                     *       {
                     *         "earlier": [],
                     *         "job_id": "0f2d7c1a9b3e4d5f8a6b7c8d9e0f1a2b",
                     *         "missing": [],
                     *         "roster": [
                     *           {
                     *             "name": "ana",
                     *             "party": "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29"
                     *           }
                     *         ],
                     *         "signed_by": [
                     *           {
                     *             "name": "ana",
                     *             "party": "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29"
                     *           }
                     *         ]
                     *       }
                     *     ]
                     */
                    "application/json": components["schemas"]["ConsentView"][];
                };
            };
        };
    };
    get_consents_consents__job_id__get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The job's id, the same at every party. */
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example [
                     *       {
                     *         "earlier": [],
                     *         "job_id": "0f2d7c1a9b3e4d5f8a6b7c8d9e0f1a2b",
                     *         "missing": [],
                     *         "roster": [
                     *           {
                     *             "name": "ana",
                     *             "party": "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29"
                     *           }
                     *         ],
                     *         "signed_by": [
                     *           {
                     *             "name": "ana",
                     *             "party": "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29"
                     *           }
                     *         ]
                     *       }
                     *     ]
                     */
                    "application/json": components["schemas"]["ConsentView"][];
                };
            };
        };
    };
    sign_consents__job_id__sign_post: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The job's id, the same at every party. */
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example [
                     *       {
                     *         "earlier": [],
                     *         "job_id": "0f2d7c1a9b3e4d5f8a6b7c8d9e0f1a2b",
                     *         "missing": [],
                     *         "roster": [
                     *           {
                     *             "name": "ana",
                     *             "party": "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29"
                     *           }
                     *         ],
                     *         "signed_by": [
                     *           {
                     *             "name": "ana",
                     *             "party": "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29"
                     *           }
                     *         ]
                     *       }
                     *     ]
                     */
                    "application/json": components["schemas"]["ConsentView"][];
                };
            };
        };
    };
    get_signed_consents__job_id__signed_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The job's id, the same at every party. */
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "consents": [
                     *         {
                     *           "document": "{\"protocol\":\"1.0\",\"job_id\":\"…\"}",
                     *           "signature": "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e",
                     *           "signer": "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": {
                        [key: string]: components["schemas"]["SignedDocument"][];
                    };
                };
            };
        };
    };
    get_datasets_datasets_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example [
                     *       {
                     *         "columns": [
                     *           "age",
                     *           "stay_days"
                     *         ],
                     *         "encoding": "declared",
                     *         "findings": [],
                     *         "fits": true,
                     *         "name": "default",
                     *         "registered_at": "2025-01-31T09:30:00.000Z",
                     *         "schema": {
                     *           "features": [
                     *             {
                     *               "name": "age",
                     *               "range": [
                     *                 18,
                     *                 100
                     *               ],
                     *               "type": "continuous"
                     *             }
                     *           ],
                     *           "header": true,
                     *           "target": {
                     *             "name": "stay_days",
                     *             "range": [
                     *               0,
                     *               60
                     *             ]
                     *           }
                     *         },
                     *         "version": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
                     *       }
                     *     ]
                     */
                    "application/json": components["schemas"]["DatasetView"][];
                };
            };
        };
    };
    post_dataset_datasets_post: {
        parameters: {
            query?: {
                /** @description An upload's name. */
                name?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "name": "default",
                 *       "path": "patients.csv",
                 *       "schema": {
                 *         "features": [
                 *           {
                 *             "name": "age",
                 *             "range": [
                 *               18,
                 *               100
                 *             ],
                 *             "type": "continuous"
                 *           }
                 *         ],
                 *         "header": true,
                 *         "target": {
                 *           "name": "stay_days",
                 *           "range": [
                 *             0,
                 *             60
                 *           ]
                 *         }
                 *       }
                 *     }
                 */
                "application/json": {
                    /** Mapping */
                    mapping?: string | null;
                    /**
                     * Name
                     * @default default
                     */
                    name?: string;
                    /** Path */
                    path: string;
                    schema?: {
                        /** Decimal */
                        decimal?: ("." | ",") | null;
                        /** Features */
                        features: {
                            /** Categories */
                            categories?: (string | number | boolean)[] | null;
                            /** Col Idx */
                            col_idx?: number | null;
                            /**
                             * Description
                             * @default
                             */
                            description?: string;
                            /**
                             * Missing
                             * @default error
                             */
                            missing?: ("error" | "drop") | string | number | boolean;
                            /** Name */
                            name?: string | null;
                            /** Range */
                            range?: [
                                number,
                                number
                            ] | null;
                            /** Shape */
                            shape?: number[] | null;
                            /** Tokens */
                            tokens?: number | null;
                            /**
                             * FeatureType
                             * @enum {string}
                             */
                            type: "continuous" | "discrete" | "ordinal" | "nominal" | "vector" | "text" | "image";
                            /** Vocabulary */
                            vocabulary?: number | null;
                        }[];
                        /**
                         * Header
                         * @default true
                         */
                        header?: boolean;
                        target?: {
                            /** Categories */
                            categories?: (string | number | boolean)[] | null;
                            /** Col Idx */
                            col_idx?: number | null;
                            /**
                             * Description
                             * @default
                             */
                            description?: string;
                            /**
                             * Missing
                             * @default error
                             * @enum {string}
                             */
                            missing?: "error" | "drop";
                            /** Name */
                            name?: string | null;
                            /** Range */
                            range?: [
                                number,
                                number
                            ] | null;
                        } | null;
                        /** Targets */
                        targets?: {
                            /** Categories */
                            categories?: (string | number | boolean)[] | null;
                            /** Col Idx */
                            col_idx?: number | null;
                            /**
                             * Description
                             * @default
                             */
                            description?: string;
                            /**
                             * Missing
                             * @default error
                             * @enum {string}
                             */
                            missing?: "error" | "drop";
                            /** Name */
                            name?: string | null;
                            /** Range */
                            range?: [
                                number,
                                number
                            ] | null;
                        }[] | null;
                        /** Thousands */
                        thousands?: ("," | "." | "'" | " ") | null;
                    } | null;
                    /** Target */
                    target?: string | null;
                };
                "application/vnd.apache.parquet": string;
                /**
                 * @example age,stay_days
                 *     61,4
                 */
                "text/csv": string;
            };
        };
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "columns": [
                     *         "age",
                     *         "stay_days"
                     *       ],
                     *       "encoding": "declared",
                     *       "findings": [],
                     *       "fits": true,
                     *       "name": "default",
                     *       "registered_at": "2025-01-31T09:30:00.000Z",
                     *       "schema": {
                     *         "features": [
                     *           {
                     *             "name": "age",
                     *             "range": [
                     *               18,
                     *               100
                     *             ],
                     *             "type": "continuous"
                     *           }
                     *         ],
                     *         "header": true,
                     *         "target": {
                     *           "name": "stay_days",
                     *           "range": [
                     *             0,
                     *             60
                     *           ]
                     *         }
                     *       },
                     *       "version": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
                     *     }
                     */
                    "application/json": components["schemas"]["DatasetView"];
                };
            };
        };
    };
    publish_datasets__name__card_put: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "description": "One record a stay.",
                 *       "size": "10,000 to 100,000",
                 *       "tags": [
                 *         "cardiology"
                 *       ],
                 *       "terms": "Research on length of stay; ask the data office.",
                 *       "title": "Stays on the cardiology wards, 2015 to 2024"
                 *     }
                 */
                "application/json": {
                    /**
                     * Columns
                     * @default names
                     * @enum {string}
                     */
                    columns?: "names" | "ranges" | "none";
                    /**
                     * Days
                     * @default 180
                     */
                    days?: number;
                    /**
                     * Description
                     * @default
                     */
                    description?: string;
                    /** Size */
                    size?: ("below 1,000" | "1,000 to 10,000" | "10,000 to 100,000" | "100,000 to 1,000,000" | "above 1,000,000") | null;
                    /**
                     * Tags
                     * @default []
                     */
                    tags?: string[];
                    /**
                     * Terms
                     * @default
                     */
                    terms?: string;
                    /** Title */
                    title: string;
                    /** Visible To */
                    visible_to?: string[] | null;
                };
            };
        };
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "dataset": "default",
                     *       "description": "One record a stay.",
                     *       "party": "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a",
                     *       "revision": 1767000000000,
                     *       "size": "10,000 to 100,000",
                     *       "tags": [
                     *         "cardiology"
                     *       ],
                     *       "terms": "Research on length of stay; ask the data office.",
                     *       "title": "Stays on the cardiology wards, 2015 to 2024"
                     *     }
                     */
                    "application/json": {
                        [key: string]: unknown;
                    };
                };
            };
        };
    };
    withdraw_datasets__name__card_delete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "dataset": "default",
                     *       "revision": 1767000000000
                     *     }
                     */
                    "application/json": {
                        [key: string]: unknown;
                    };
                };
            };
        };
    };
    healthz_healthz_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
        };
    };
    identity_identity_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ServiceIdentity"];
                };
            };
        };
    };
    metrics_metrics_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    get_models_models_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example [
                     *       {
                     *         "changed_at": "2025-01-31T09:30:07+00:00",
                     *         "created_at": "2025-01-31T09:30:00+00:00",
                     *         "dataset": "default",
                     *         "dataset_version": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *         "id": "0f2d7c1a9b3e4d5f8a6b7c8d9e0f1a2b",
                     *         "leak": {
                     *           "holds_if": "…",
                     *           "numbers_in_all_moments": 77,
                     *           "numbers_per_round": 11,
                     *           "rounds_at_most": 48
                     *         },
                     *         "model_owner": "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29",
                     *         "model_owner_name": "model-owner",
                     *         "name": "stay in hospital",
                     *         "phase": "JOINED",
                     *         "released": {
                     *           "answers": 5,
                     *           "numbers": 46
                     *         },
                     *         "round": 4,
                     *         "rounds": 48,
                     *         "status": "IN_PROGRESS"
                     *       }
                     *     ]
                     */
                    "application/json": components["schemas"]["OwnerJobView"][];
                };
            };
        };
    };
    get_model_models__job_id__get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The job's id, the same at every party. */
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "changed_at": "2025-01-31T09:30:07+00:00",
                     *       "consents": [],
                     *       "created_at": "2025-01-31T09:30:00+00:00",
                     *       "dataset": "default",
                     *       "dataset_version": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "differencing_risks": [],
                     *       "earlier_jobs": [],
                     *       "id": "0f2d7c1a9b3e4d5f8a6b7c8d9e0f1a2b",
                     *       "leak": {
                     *         "holds_if": "…",
                     *         "numbers_in_all_moments": 77,
                     *         "numbers_per_round": 11,
                     *         "rounds_at_most": 48
                     *       },
                     *       "model_owner": "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29",
                     *       "model_owner_name": "model-owner",
                     *       "name": "stay in hospital",
                     *       "phase": "JOINED",
                     *       "released": {
                     *         "answers": 5,
                     *         "numbers": 46
                     *       },
                     *       "releases": [],
                     *       "round": 4,
                     *       "rounds": 48,
                     *       "status": "IN_PROGRESS"
                     *     }
                     */
                    "application/json": components["schemas"]["JobDetail"];
                };
            };
        };
    };
    approve_models__job_id__approve_post: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The job's id, the same at every party. */
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "changed_at": "2025-01-31T09:30:07+00:00",
                     *       "created_at": "2025-01-31T09:30:00+00:00",
                     *       "dataset": "default",
                     *       "dataset_version": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "id": "0f2d7c1a9b3e4d5f8a6b7c8d9e0f1a2b",
                     *       "leak": {
                     *         "holds_if": "…",
                     *         "numbers_in_all_moments": 77,
                     *         "numbers_per_round": 11,
                     *         "rounds_at_most": 48
                     *       },
                     *       "model_owner": "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29",
                     *       "model_owner_name": "model-owner",
                     *       "name": "stay in hospital",
                     *       "phase": "JOINED",
                     *       "released": {
                     *         "answers": 5,
                     *         "numbers": 46
                     *       },
                     *       "round": 4,
                     *       "rounds": 48,
                     *       "status": "IN_PROGRESS"
                     *     }
                     */
                    "application/json": components["schemas"]["OwnerJobView"];
                };
            };
        };
    };
    deny_models__job_id__deny_post: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The job's id, the same at every party. */
                job_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Denial"];
            };
        };
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "changed_at": "2025-01-31T09:30:07+00:00",
                     *       "code": "denied",
                     *       "created_at": "2025-01-31T09:30:00+00:00",
                     *       "dataset": "default",
                     *       "dataset_version": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "id": "0f2d7c1a9b3e4d5f8a6b7c8d9e0f1a2b",
                     *       "leak": {
                     *         "holds_if": "…",
                     *         "numbers_in_all_moments": 77,
                     *         "numbers_per_round": 11,
                     *         "rounds_at_most": 48
                     *       },
                     *       "model_owner": "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29",
                     *       "model_owner_name": "model-owner",
                     *       "name": "stay in hospital",
                     *       "phase": "DECLINED",
                     *       "reason": "Not this quarter.",
                     *       "released": {
                     *         "answers": 5,
                     *         "numbers": 46
                     *       },
                     *       "round": 4,
                     *       "rounds": 48,
                     *       "status": "CANCELLED"
                     *     }
                     */
                    "application/json": components["schemas"]["OwnerJobView"];
                };
            };
        };
    };
    events_models__job_id__events_get: {
        parameters: {
            query?: never;
            header?: {
                /** @description The last round that was seen. */
                "last-event-id"?: string | null;
            };
            path: {
                /** @description The job's id, the same at every party. */
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Server-sent events */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example event: status
                     *     data: {"id": "0f4b6d1c9e7a4c52b8d3a6e5f1029384", "status": "IN_PROGRESS", "phase": "TRAINING", "round": 0, "rounds": 48}
                     *
                     *     event: window
                     *     data: {"id": "0f4b6d1c9e7a4c52b8d3a6e5f1029384", "window": {"step": 0, "of": 1, "weight_fraction_bits": 40, "answer_fraction_bits": 72, "bits_used": 116, "bits_left": 2954, "bits_available": 3070}}
                     *
                     *     id: 1
                     *     event: round
                     *     data: {"id": "0f4b6d1c9e7a4c52b8d3a6e5f1029384", "status": "IN_PROGRESS", "phase": "TRAINING", "round": 1, "rounds": 48}
                     */
                    "text/event-stream": unknown;
                };
            };
        };
    };
    resume_models__job_id__resume_post: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The job's id, the same at every party. */
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "changed_at": "2025-01-31T09:30:07+00:00",
                     *       "created_at": "2025-01-31T09:30:00+00:00",
                     *       "dataset": "default",
                     *       "dataset_version": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "id": "0f2d7c1a9b3e4d5f8a6b7c8d9e0f1a2b",
                     *       "leak": {
                     *         "holds_if": "…",
                     *         "numbers_in_all_moments": 77,
                     *         "numbers_per_round": 11,
                     *         "rounds_at_most": 48
                     *       },
                     *       "model_owner": "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29",
                     *       "model_owner_name": "model-owner",
                     *       "name": "stay in hospital",
                     *       "phase": "JOINED",
                     *       "released": {
                     *         "answers": 5,
                     *         "numbers": 46
                     *       },
                     *       "round": 4,
                     *       "rounds": 48,
                     *       "status": "IN_PROGRESS"
                     *     }
                     */
                    "application/json": components["schemas"]["OwnerJobView"];
                };
            };
        };
    };
    problems_problems_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
        };
    };
    problem_problems__slug__get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                slug: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
        };
    };
    readyz_readyz_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Ready"];
                };
            };
        };
    };
    score_score_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ToScore"];
            };
        };
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Scores"];
                };
            };
        };
    };
    session_session_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionView"];
                };
            };
        };
    };
    open_session_session_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["LinkCode"];
            };
        };
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionView"];
                };
            };
        };
    };
    end_session_session_delete: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    new_link_session_links_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The request is refused */
            "4XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description The service cannot answer now */
            "5XX": {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "training.rounds: Input should be greater than or equal to 1.",
                     *       "errors": [
                     *         {
                     *           "field": "training.rounds",
                     *           "message": "Input should be greater than or equal to 1.",
                     *           "value": "0"
                     *         }
                     *       ],
                     *       "remedy": "Correct the fields that `errors` names.",
                     *       "status": 422,
                     *       "title": "The request does not have the expected form",
                     *       "type": "/problems/invalid-request"
                     *     }
                     */
                    "application/problem+json": {
                        /** @description What happened, with which value */
                        detail: string;
                        errors?: {
                            field: string;
                            message: string;
                            value?: unknown;
                        }[];
                        /** @description What to do about it */
                        remedy: string;
                        status: number;
                        title: string;
                        /**
                         * Format: uri-reference
                         * @description The page on this problem, at the same service; ends in the problem's code
                         */
                        type: string;
                    };
                };
            };
            /** @description Successful Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Link"];
                };
            };
        };
    };
}
