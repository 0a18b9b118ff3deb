// The facilitator's routes, written by scripts/types.mjs from its OpenAPI document.
export interface paths {
    "/data-owners": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Registered Data Owners, by name */
        get: operations["data_owners_data_owners_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/data-owners/{party_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Register, or change what is offered */
        put: operations["register_data_owners__party_id__put"];
        post?: never;
        /** Ask a Data Owner that has left for nothing more; it may register again */
        delete: operations["forget_data_owners__party_id__delete"];
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
        /** Cards of datasets, by words, tags and columns, the newest first; each reader sees those that are for it */
        get: operations["find_datasets_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/datasets/{party_id}/{dataset}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Publish a dataset's card */
        put: operations["publish_datasets__party_id___dataset__put"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/datasets/{party_id}/{dataset}/withdrawal": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Withdraw a dataset's card, and every earlier one */
        put: operations["withdraw_datasets__party_id___dataset__withdrawal_put"];
        post?: never;
        delete?: never;
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
        /** The newest jobs */
        get: operations["models_models_get"];
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
        /** Where a job stands, and for whom it waits */
        get: operations["model_models__job_id__get"];
        /** Deploy a job: the Model Owner's signed manifest */
        put: operations["deploy_models__job_id__put"];
        post?: never;
        /** Cancel a job; for its Model Owner */
        delete: operations["cancel_models__job_id__delete"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/models/{job_id}/blobs/{content_hash}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Evidence by its SHA-256: requests, answers, products; for the job's parties, and who runs the service */
        get: operations["blob_models__job_id__blobs__content_hash__get"];
        put?: never;
        post?: never;
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
    "/models/{job_id}/log": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The hash chain over all sums: hashes and products, entry by entry */
        get: operations["log_models__job_id__log_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/models/{job_id}/log/{index}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One log entry, as the exact bytes that are hashed */
        get: operations["log_entry_models__job_id__log__index__get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/models/{job_id}/manifest": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What is trained, signed by the Model Owner */
        get: operations["manifest_models__job_id__manifest_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/models/{job_id}/roster": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who takes part, signed by the Facilitator */
        get: operations["roster_models__job_id__roster_get"];
        put?: never;
        post?: never;
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
    "/tasks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The caller's open tasks; waits for one while there is none */
        get: operations["tasks_tasks_get"];
        put?: never;
        /** Send another party a task; the same bytes under the same nonce are one task */
        post: operations["send_task_tasks_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/tasks/{task_id}/request": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What a task asks for; for its recipient */
        get: operations["task_request_tasks__task_id__request_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/tasks/{task_id}/result": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The result of a task that the caller sent; waits for it, 204 while there is none */
        get: operations["sent_result_tasks__task_id__result_get"];
        /** Give a task's result; the same bytes twice count once */
        put: operations["task_result_tasks__task_id__result_put"];
        post?: never;
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
         * Health
         * @description The answer to GET /healthz.
         */
        Health: {
            /** Status */
            status: string;
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
         *     `window`: scale and bits of the training round that is asked, None outside those. `pace`: of each owner, where
         *     rounds go on without some; None elsewhere.
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
            /** Id */
            id: string;
            /** Kind */
            kind: string | null;
            model_owner: components["schemas"]["PartyName"];
            /** Owners */
            owners: components["schemas"]["PartyName"][];
            /** Pace */
            pace: components["schemas"]["OwnerPace"][] | null;
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
         * OwnerPace
         * @description Pace of an owner, where rounds go on without those who are late.
         *
         *     `answered_after_s`: seconds from the round's request to its answer, None while there is none. `rounds_missed`: whose
         *     sum is without it. `left`: it is asked no more.
         */
        OwnerPace: {
            /** Answered After S */
            answered_after_s: number | null;
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
        TaskKind: "join" | "compute" | "sign_set" | "unmask" | "step" | "end" | "scoring" | "score";
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
export interface operations {
    data_owners_data_owners_get: {
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
                    "application/json": components["schemas"]["DataOwnerView"][];
                };
            };
        };
    };
    register_data_owners__party_id__put: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                party_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "document": "{\"protocol\":\"1.0\",\"party\":\"1a1a…\",\"name\":\"clinic-a\",\"datasets\":[\"default\"]}",
                 *       "signature": "8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e",
                 *       "signer": "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a"
                 *     }
                 */
                "application/json": {
                    /** @description The registration, as the exact JSON text that is signed */
                    document: string;
                    /** @description Over the tag and the document's bytes, in hex */
                    signature: string;
                    /** @description Ed25519 public key in hex */
                    signer: string;
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
                    "application/json": components["schemas"]["DataOwnerView"];
                };
            };
        };
    };
    forget_data_owners__party_id__delete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                party_id: string;
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
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    find_datasets_get: {
        parameters: {
            query?: {
                /** @description The `next` of the page before */
                after?: string | null;
                /** @description Names of columns that it has */
                column?: string[] | null;
                limit?: number;
                /** @description Its owner */
                party?: string | null;
                /** @description Words, or how they begin */
                q?: string | null;
                tag?: string[] | null;
                /** @description Types of those */
                type?: components["schemas"]["FeatureType"][] | null;
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
                     *           "document": "{\"protocol\":\"1.0\",\"party\":\"1a1a…\",\"name\":\"clinic-a\",\"datasets\":[\"default\"]}",
                     *           "signature": "8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e",
                     *           "signer": "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["CardList"];
                };
            };
        };
    };
    publish_datasets__party_id___dataset__put: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset: string;
                party_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "document": "{\"protocol\":\"1.0\",\"party\":\"1a1a…\",\"name\":\"clinic-a\",\"datasets\":[\"default\"]}",
                 *       "signature": "8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e",
                 *       "signer": "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a"
                 *     }
                 */
                "application/json": {
                    /** @description The card, as the exact JSON text that is signed */
                    document: string;
                    /** @description Over the tag and the document's bytes, in hex */
                    signature: string;
                    /** @description Ed25519 public key in hex */
                    signer: string;
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
                    "application/json": components["schemas"]["SignedDocument"];
                };
            };
        };
    };
    withdraw_datasets__party_id___dataset__withdrawal_put: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset: string;
                party_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "document": "{\"protocol\":\"1.0\",\"party\":\"1a1a…\",\"name\":\"clinic-a\",\"datasets\":[\"default\"]}",
                 *       "signature": "8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e",
                 *       "signer": "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a"
                 *     }
                 */
                "application/json": {
                    /** @description The withdrawal, as the exact JSON text that is signed */
                    document: string;
                    /** @description Over the tag and the document's bytes, in hex */
                    signature: string;
                    /** @description Ed25519 public key in hex */
                    signer: string;
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
                    "application/json": components["schemas"]["SignedDocument"];
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
    models_models_get: {
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
                    "application/json": components["schemas"]["ModelView"][];
                };
            };
        };
    };
    model_models__job_id__get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
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
                    "application/json": components["schemas"]["ModelView"];
                };
            };
        };
    };
    deploy_models__job_id__put: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "document": "{\"protocol\":\"1.0\",\"party\":\"1a1a…\",\"name\":\"clinic-a\",\"datasets\":[\"default\"]}",
                 *       "signature": "8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e",
                 *       "signer": "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a"
                 *     }
                 */
                "application/json": {
                    /** @description The manifest, as the exact JSON text that is signed */
                    document: string;
                    /** @description Over the tag and the document's bytes, in hex */
                    signature: string;
                    /** @description Ed25519 public key in hex */
                    signer: string;
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
                    "application/json": components["schemas"]["ModelView"];
                };
            };
            /** @description The job is new */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ModelView"];
                };
            };
        };
    };
    cancel_models__job_id__delete: {
        parameters: {
            query?: {
                reason?: string;
            };
            header?: never;
            path: {
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
                    "application/json": components["schemas"]["ModelView"];
                };
            };
        };
    };
    blob_models__job_id__blobs__content_hash__get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                content_hash: string;
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
            /** @description RoundRequest, SignedBytes or RoundAnswer; a product's ciphertexts */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /** @example (RoundRequest, SignedBytes or RoundAnswer; a product's ciphertexts) */
                    "application/cbor": string;
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
    log_models__job_id__log_get: {
        parameters: {
            query?: {
                /** @description The first entry to list. */
                start?: number;
            };
            header?: never;
            path: {
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
                    "application/json": components["schemas"]["LogLine"][];
                };
            };
        };
    };
    log_entry_models__job_id__log__index__get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                index: number;
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
            /** @description LogEntry */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /** @example (LogEntry) */
                    "application/cbor": string;
                };
            };
        };
    };
    manifest_models__job_id__manifest_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
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
                     *       "document": "{\"protocol\":\"1.0\",\"party\":\"1a1a…\",\"name\":\"clinic-a\",\"datasets\":[\"default\"]}",
                     *       "signature": "8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e",
                     *       "signer": "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a"
                     *     }
                     */
                    "application/json": components["schemas"]["SignedDocument"];
                };
            };
        };
    };
    roster_models__job_id__roster_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
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
                     *       "document": "{\"protocol\":\"1.0\",\"party\":\"1a1a…\",\"name\":\"clinic-a\",\"datasets\":[\"default\"]}",
                     *       "signature": "8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e",
                     *       "signer": "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a"
                     *     }
                     */
                    "application/json": components["schemas"]["SignedDocument"];
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
    tasks_tasks_get: {
        parameters: {
            query?: {
                /** @description List only tasks with a sequence above this */
                after?: number;
                /** @description Seconds to wait for a task */
                wait?: number;
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
                     *       "tasks": [
                     *         {
                     *           "created_at": "2026-01-12T09:30:05.120Z",
                     *           "id": "5c0d9f3f6b1e4d7a8c2b4e6f8a0c1d3e",
                     *           "job_id": "0f4b6d1c9e7a4c52b8d3a6e5f1029384",
                     *           "key": "compute/0f4b6d1c9e7a4c52b8d3a6e5f1029384/7/gradient/1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a",
                     *           "kind": "compute",
                     *           "recipient": "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a",
                     *           "sender": "7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d",
                     *           "sequence": 41
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["TaskList"];
                };
            };
        };
    };
    send_task_tasks_post: {
        parameters: {
            query: {
                kind: components["schemas"]["TaskKind"];
                model_id: string;
                /** @description 64 hex digits that the sender draws */
                nonce: string;
                recipient: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /** @example (ScoringAsk for scoring, SignedBytes of a ScoreRequest for score) */
                "application/cbor": string;
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
                     *       "created_at": "2026-01-12T09:30:05.120Z",
                     *       "id": "5c0d9f3f6b1e4d7a8c2b4e6f8a0c1d3e",
                     *       "job_id": "0f4b6d1c9e7a4c52b8d3a6e5f1029384",
                     *       "key": "compute/0f4b6d1c9e7a4c52b8d3a6e5f1029384/7/gradient/1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a",
                     *       "kind": "compute",
                     *       "recipient": "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a",
                     *       "sender": "7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d7d",
                     *       "sequence": 41
                     *     }
                     */
                    "application/json": components["schemas"]["TaskHeader"];
                };
            };
        };
    };
    task_request_tasks__task_id__request_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                task_id: string;
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
            /** @description Compute or Step; JSON for join and end */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /** @example (Compute or Step; JSON for join and end) */
                    "application/cbor": string;
                };
            };
        };
    };
    sent_result_tasks__task_id__result_get: {
        parameters: {
            query?: {
                /** @description Seconds to wait for the result */
                wait?: number;
            };
            header?: never;
            path: {
                task_id: string;
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
            /** @description ScoringReply */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /** @example (ScoringReply) */
                    "application/cbor": string;
                };
            };
            /** @description There is no result yet */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    task_result_tasks__task_id__result_put: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                task_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /** @example (RoundAnswer for compute, StepResult for step) */
                "application/cbor": string;
                /**
                 * @example {
                 *       "answer": "decline",
                 *       "signed": {
                 *         "document": "{…}",
                 *         "signature": "8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e8e",
                 *         "signer": "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a"
                 *       }
                 *     }
                 */
                "application/json": Record<string, never>;
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
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
}
