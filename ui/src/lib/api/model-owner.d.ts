// What the model-owner's routes answer with, written by scripts/types.mjs from its OpenAPI document.
export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * Allowance
         * @description `data_owners`: party ids, by default of those that trained the model. `quota_bits`: by default, and at most, one
         *     bit less than the model can tell at the precision of its scores.
         * @example {
         *       "quota_bits": 256
         *     }
         */
        Allowance: {
            /** Data Owners */
            data_owners?: string[] | null;
            /** Quota Bits */
            quota_bits?: number | null;
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
            conditions: components["schemas"]["Conditions"] | null;
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
         * Calibration
         * @description Probability = σ(slope·score + offset), one of each an output, fitted on some rows of the test set.
         */
        Calibration: {
            /** Method */
            method: string;
            /** Offsets */
            offsets: number[];
            /** Rows */
            rows: number[];
            /** Slopes */
            slopes: number[];
        };
        /**
         * Candidate
         * @description One l2, and what the model that the training parts give with it costs, in the units of the training loss.
         */
        Candidate: {
            /** L2 */
            l2: number;
            /** Training Loss */
            training_loss: number;
            /** Validation Loss */
            validation_loss: number;
        };
        /**
         * ClassCurves
         * @description A class against the rest. Without rows of both there are no `roc` and `auc`; without its own no others either.
         *
         *     `roc`: true by false positive rate. `precision_recall`: precision by recall. `calibration`: share of rows of the
         *     class by its mean predicted probability, a tenth each, and `calibration_rows` in it. `rows`: test rows of the class.
         */
        ClassCurves: {
            /** Auc */
            auc: number | null;
            /** Average Precision */
            average_precision: number | null;
            calibration: components["schemas"]["Curve"];
            /** Calibration Rows */
            calibration_rows: number[];
            /** Name */
            name: string;
            precision_recall: components["schemas"]["Curve"] | null;
            roc: components["schemas"]["Curve"] | null;
            /** Rows */
            rows: number;
        };
        /**
         * Clipped
         * @description A row (by its place in `values`, from 0) with values outside declared ranges, and in which columns.
         */
        Clipped: {
            /** Columns */
            columns: string[];
            /** Row */
            row: number;
        };
        /**
         * CoefficientRow
         * @description One coefficient: its estimate, and how far it can be trusted.
         */
        CoefficientRow: {
            /** Coefficient */
            coefficient: number;
            /** High */
            high: number;
            /** Low */
            low: number;
            /** Name */
            name: string;
            /** P */
            p: number;
            /** Standard Error */
            standard_error: number;
            /** T */
            t: number | null;
        };
        /**
         * CoefficientTable
         * @description Ordinary least squares on all rows of the federation. `low`, `high` are the ends of `confidence` intervals.
         */
        CoefficientTable: {
            /** Condition Number */
            condition_number: number;
            /** Confidence */
            confidence: number;
            /** Degrees Of Freedom */
            degrees_of_freedom: number;
            /** Outputs */
            outputs: components["schemas"]["OutputTable"][];
            /** Rows */
            rows: number;
        };
        Conditions: {
            [key: string]: unknown;
        };
        /**
         * Curve
         * @description Points by rising `x`.
         */
        Curve: {
            /** X */
            x: number[];
            /** Y */
            y: number[];
        };
        /**
         * Curves
         * @description Curves of the classes, or errors of the targets, on `rows` test rows: those that no calibration was fitted on.
         *
         *     Of many classes those that most rows have; of two the second one. Of many points an even choice is given.
         * @example {
         *       "classes": [
         *         {
         *           "auc": 0.75,
         *           "average_precision": 0.83,
         *           "calibration": {
         *             "x": [
         *               0.1,
         *               0.35,
         *               0.4,
         *               0.8
         *             ],
         *             "y": [
         *               0,
         *               1,
         *               0,
         *               1
         *             ]
         *           },
         *           "calibration_rows": [
         *             1,
         *             1,
         *             1,
         *             1
         *           ],
         *           "name": "1",
         *           "precision_recall": {
         *             "x": [
         *               0.5,
         *               0.5,
         *               1,
         *               1
         *             ],
         *             "y": [
         *               1,
         *               0.5,
         *               0.67,
         *               0.5
         *             ]
         *           },
         *           "roc": {
         *             "x": [
         *               0,
         *               0,
         *               0.5,
         *               0.5,
         *               1
         *             ],
         *             "y": [
         *               0,
         *               0.5,
         *               0.5,
         *               1,
         *               1
         *             ]
         *           },
         *           "rows": 2
         *         }
         *       ],
         *       "dataset_id": "5c1f0e8a7b6d4e3f9a2b1c0d8e7f6a5b",
         *       "model_id": "0f2d7c1a9b3e4d5f8a6b7c8d9e0f1a2b",
         *       "rows": 4,
         *       "targets": []
         *     }
         */
        Curves: {
            /** Classes */
            classes: components["schemas"]["ClassCurves"][];
            /** Dataset Id */
            dataset_id: string;
            /** Model Id */
            model_id: string;
            /** Rows */
            rows: number;
            /** Targets */
            targets: components["schemas"]["TargetErrors"][];
        };
        /**
         * DatasetView
         * @description A test set. The one that was registered last is current: GET /prediction scores on it.
         * @example {
         *       "current": true,
         *       "id": "5c1f0e8a7b6d4e3f9a2b1c0d8e7f6a5b",
         *       "name": "default",
         *       "path": "test.csv",
         *       "registered_at": "2026-01-12T09:20:00.000Z",
         *       "size_bytes": 5821,
         *       "version": "9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f"
         *     }
         */
        DatasetView: {
            /** Current */
            current: boolean;
            /** Id */
            id: string;
            /** Name */
            name: string;
            /** Path */
            path: string;
            /**
             * Registered At
             * Format: date-time
             */
            registered_at: string;
            /** Size Bytes */
            size_bytes: number;
            /** Version */
            version: string;
        };
        /**
         * Decision
         * @description A threshold for the second class's probability, chosen on so many test rows, and how the others fare by it.
         */
        Decision: {
            /** Accuracy */
            accuracy: number;
            /** Chosen On */
            chosen_on: number;
            /** Precision */
            precision: number | null;
            /** Recall */
            recall: number | null;
            /** Threshold */
            threshold: number;
        };
        /**
         * ExportFormat
         * @description `json`: a document; `onnx`: float64 in and out, equal to about 1e-7; `sklearn`: a pipeline, written by skops;
         *     `safetensors`: of a network, which is float32 in ONNX too.
         * @enum {string}
         */
        ExportFormat: "json" | "onnx" | "sklearn" | "safetensors";
        /**
         * FeatureType
         * @enum {string}
         */
        FeatureType: "continuous" | "discrete" | "ordinal" | "nominal" | "vector" | "text" | "image";
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
         * Health
         * @description The answer to GET /healthz.
         */
        Health: {
            /** Status */
            status: string;
        };
        /**
         * L2Choice
         * @description The candidates in rising order, and the one with the least validation loss (of equals, the largest).
         */
        L2Choice: {
            /** Candidates */
            candidates: components["schemas"]["Candidate"][];
            /** L2 */
            l2: number;
            /** Training Rows */
            training_rows: number;
            /** Validation Rows */
            validation_rows: number;
        };
        /**
         * Leak
         * @description Count of the federation's numbers that were decrypted, and of those that there are in its moments (A, b).
         *
         *     Where owners see the weights: of how many the rounds can have.
         */
        Leak: {
            /** Holds */
            holds: string;
            /** Numbers Decrypted */
            numbers_decrypted: number;
            /** Of */
            of: number;
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
         * ModelLine
         * @description A job in a list. `name` and `optimizer` are those of its spec. `request`: the id of what it comes of.
         */
        ModelLine: {
            /** Code */
            code: string | null;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Ended At */
            ended_at: string | null;
            /** Id */
            id: string;
            /** Loss */
            loss: number | null;
            /** Loss Is */
            loss_is: string;
            model_type: components["schemas"]["ModelType"];
            /** Name */
            name: string | null;
            optimizer: components["schemas"]["Optimizer"];
            phase: components["schemas"]["Phase"];
            /** Reason */
            reason: string | null;
            /** Request */
            request: string | null;
            /** Round */
            round: number | null;
            /** Rounds */
            rounds: number | null;
            status: components["schemas"]["Status"];
        };
        /**
         * ModelType
         * @enum {string}
         */
        ModelType: "LINEAR_REGRESSION" | "LOGISTIC_REGRESSION" | "NEURAL_NETWORK" | "RANGES";
        /**
         * ModelView
         * @description A job. `waiting_for`, `pace` and `seconds_left` are the Facilitator's, and None where it cannot be asked, or
         *     the job is over. `pace`: of each owner, how long after the request it answered. `phases`: those after PREPARING, in
         *     order, as far as their times were kept.
         *
         *     `not_signed_off`: names of owners whose people have yet to sign the result off, once that is all it waits for, or
         *     all that others wait for; None before, and where nobody does. `release_refused`: who refused that others get it.
         *     `refusal`: why this party last refused what the Facilitator sent. `converged`: whether the tolerance was reached.
         *     `remarks`: what people must know of the finished model. `may_have_caused`: where its sums could not be used, the
         *     owners of the roster, those first whose jobs ended so most often.
         *     `test_set_problem`: in the answer to POST /models, why the test set could not score the model that it will be; later
         *     why the last round that was evaluated could not be on it.
         *     Members that are not here are what a method reports that fits no coefficients.
         *     `on_dropout`: what its spec says of rounds without an owner. `window`: scale and bits of the round that is
         *     asked. `plan`: the budget, and under `forecast` what the job costs.
         * @example {
         *       "bytes_received": 402118,
         *       "bytes_sent": 181204,
         *       "created_at": "2026-01-12T09:28:00.000Z",
         *       "declined": [],
         *       "gradient": 0.0031,
         *       "history": [
         *         {
         *           "at": "2026-01-12T09:28:41.002Z",
         *           "gradient": 0.0031,
         *           "loss": 2961.337,
         *           "round": 7
         *         }
         *       ],
         *       "id": "0f4b6d1c9e7a4c52b8d3a6e5f1029384",
         *       "leak": {
         *         "holds": "if the Model Owner follows the protocol",
         *         "numbers_decrypted": 77,
         *         "of": 77
         *       },
         *       "loss": 2961.337,
         *       "loss_is": "mean squared error on the training rows",
         *       "model_type": "LINEAR_REGRESSION",
         *       "name": "stay in hospital",
         *       "on_dropout": "wait",
         *       "optimizer": "conjugate_gradient",
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
         *       "phase": "TRAINING",
         *       "phases": [
         *         {
         *           "at": "2026-01-12T09:28:02.118Z",
         *           "phase": "DEPLOYING"
         *         },
         *         {
         *           "at": "2026-01-12T09:28:02.264Z",
         *           "phase": "JOINING"
         *         },
         *         {
         *           "at": "2026-01-12T09:28:04.511Z",
         *           "phase": "TRAINING"
         *         }
         *       ],
         *       "plan": {
         *         "bits_available": 3070,
         *         "forecast": {
         *           "owners": 2,
         *           "rounds": 48,
         *           "sums_decrypted": 77,
         *           "sums_in_all": 77
         *         },
         *         "slot_bits": 116
         *       },
         *       "release_refused": [],
         *       "remarks": [],
         *       "round": 7,
         *       "rounds": 48,
         *       "rows_total": 376,
         *       "seconds_left": 41.5,
         *       "seconds_spent": 3.2,
         *       "started_at": "2026-01-12T09:28:04.511Z",
         *       "status": "IN_PROGRESS",
         *       "waiting_for": [
         *         {
         *           "name": "clinic-b",
         *           "party": "c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4",
         *           "since": "2026-01-12T09:28:41.100Z"
         *         }
         *       ],
         *       "window": {
         *         "answer_fraction_bits": 72,
         *         "bits_available": 3070,
         *         "bits_left": 2954,
         *         "bits_used": 116,
         *         "of": 1,
         *         "step": 0,
         *         "weight_fraction_bits": 40
         *       }
         *     }
         */
        ModelView: {
            /** Bytes Received */
            bytes_received: number;
            /** Bytes Sent */
            bytes_sent: number;
            /** Code */
            code: string | null;
            coefficient_table: components["schemas"]["CoefficientTable"] | null;
            /** Coefficients */
            coefficients: {
                [key: string]: number | {
                    [key: string]: number;
                };
            } | null;
            /** Converged */
            converged: boolean | null;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Declined */
            declined: {
                [key: string]: unknown;
            }[];
            /** Ended At */
            ended_at: string | null;
            /** Gradient */
            gradient: number | null;
            /** History */
            history: components["schemas"]["Round"][];
            /** Id */
            id: string;
            l2_choice: components["schemas"]["L2Choice"] | null;
            leak: components["schemas"]["Leak"];
            /** Loss */
            loss: number | null;
            /** Loss Is */
            loss_is: string;
            /**
             * May Have Caused
             * @default []
             */
            may_have_caused: components["schemas"]["Suspect"][];
            model_type: components["schemas"]["ModelType"];
            /** Name */
            name: string | null;
            /** No Coefficient Table */
            no_coefficient_table: string | null;
            /** Not Signed Off */
            not_signed_off: string[] | null;
            /**
             * On Dropout
             * @enum {string}
             */
            on_dropout: "wait" | "end" | "continue";
            optimizer: components["schemas"]["Optimizer"];
            /** Owners */
            owners: {
                [key: string]: string;
            }[];
            /** Pace */
            pace?: {
                [key: string]: unknown;
            }[] | null;
            phase: components["schemas"]["Phase"];
            /** Phases */
            phases: components["schemas"]["PhaseBegun"][];
            /** Plan */
            plan: {
                [key: string]: unknown;
            };
            /** Reason */
            reason: string | null;
            /** Refusal */
            refusal: string | null;
            /**
             * Release Refused
             * @default []
             */
            release_refused: components["schemas"]["ReleaseRefusal"][];
            /** Remarks */
            remarks: components["schemas"]["Remark"][];
            /** Request */
            request: string | null;
            /** Round */
            round: number | null;
            /** Rounds */
            rounds: number | null;
            /** Rows Total */
            rows_total: number | null;
            /** Seconds Left */
            seconds_left: number | null;
            /** Seconds Spent */
            seconds_spent: number;
            /** Started At */
            started_at: string | null;
            status: components["schemas"]["Status"];
            /** Test Set Problem */
            test_set_problem?: string | null;
            /** Waiting For */
            waiting_for: {
                [key: string]: unknown;
            }[] | null;
            window: components["schemas"]["WindowPosition"] | null;
        } & {
            [key: string]: unknown;
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
         * NewRequest
         * @description Terms of a request. `spec`: as POST /models takes it. `datasets`: ids of cards, as GET /catalogue has them.
         * @example {
         *       "datasets": [
         *         "cacacacacacacacacacacacacacacacacacacacacacacacacacacacacacacaca"
         *       ],
         *       "purpose": "plan beds for the winter",
         *       "spec": {
         *         "data_props": {
         *           "features": [
         *             {
         *               "col_idx": 0,
         *               "description": "age",
         *               "range": [
         *                 -0.2,
         *                 0.2
         *               ],
         *               "type": "continuous"
         *             },
         *             {
         *               "col_idx": 2,
         *               "description": "body mass index",
         *               "range": [
         *                 -0.2,
         *                 0.2
         *               ],
         *               "type": "continuous"
         *             }
         *           ],
         *           "header": true,
         *           "target": {
         *             "col_idx": 10,
         *             "description": "disease progression after one year",
         *             "range": [
         *               25,
         *               346
         *             ]
         *           }
         *         },
         *         "model_type": "LINEAR_REGRESSION",
         *         "training": {
         *           "min_data_owners": 3,
         *           "optimizer": "conjugate_gradient",
         *           "tolerance": 0.000001
         *         }
         *       },
         *       "title": "stay in hospital"
         *     }
         */
        NewRequest: {
            /** Datasets */
            datasets: string[];
            /** Purpose */
            purpose: string;
            /** Spec */
            spec: {
                [key: string]: unknown;
            };
            /** Title */
            title: string;
        };
        /**
         * Optimizer
         * @enum {string}
         */
        Optimizer: "gradient_descent" | "momentum" | "conjugate_gradient" | "newton" | "adam" | "lbfgs" | "fedavg" | "fedsgd";
        /**
         * OutputTable
         * @description One target's coefficients. `residual_standard_error`: √(RSS/(N − d)). `r2` is None for a constant target.
         */
        OutputTable: {
            /** Adjusted R2 */
            adjusted_r2: number | null;
            /** Coefficients */
            coefficients: components["schemas"]["CoefficientRow"][];
            /** R2 */
            r2: number | null;
            /** Residual Standard Error */
            residual_standard_error: number;
            /** Target */
            target: string;
        };
        /**
         * OwnRequestLine
         * @description A request of this party's, and the models that came of it, the newest first.
         * @example {
         *       "approved": 1,
         *       "created_at": "2026-01-12T09:28:00Z",
         *       "dataset": "default",
         *       "id": "7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c",
         *       "messages": 1,
         *       "model_owner": "3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b",
         *       "model_owner_name": "acme",
         *       "models": [],
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
         *       "title": "stay in hospital"
         *     }
         */
        OwnRequestLine: {
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
            /** Models */
            models: string[];
            /** Owners */
            owners: components["schemas"]["AskedOwner"][];
            /** Purpose */
            purpose: string;
            /** Title */
            title: string;
        };
        /**
         * OwnRequestList
         * @description A page of requests, the newest first. `next`: what to ask for those that follow, None at the end.
         */
        OwnRequestList: {
            /** Next */
            next: number | null;
            /** Refused */
            refused: components["schemas"]["RefusedRequest"][];
            /** Requests */
            requests: components["schemas"]["OwnRequestLine"][];
        };
        /**
         * OwnRequestView
         * @description A request of this party's, with all that was said about it.
         * @example {
         *       "approved": 1,
         *       "created_at": "2026-01-12T09:28:00Z",
         *       "dataset": "default",
         *       "id": "7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c",
         *       "messages": 1,
         *       "model_owner": "3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b",
         *       "model_owner_name": "acme",
         *       "models": [],
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
         *       "title": "stay in hospital"
         *     }
         */
        OwnRequestView: {
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
            /** Models */
            models: string[];
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
         * PhaseBegun
         * @description A phase that the job came to, and when.
         */
        PhaseBegun: {
            /**
             * At
             * Format: date-time
             */
            at: string;
            phase: components["schemas"]["Phase"];
        };
        /**
         * PredictionLine
         * @description A prediction in a list.
         */
        PredictionLine: {
            /** Cost */
            cost: number;
            /** Dataset Id */
            dataset_id: string;
            /** Id */
            id: string;
            /** Metrics */
            metrics: {
                [key: string]: unknown;
            };
            /** Model Id */
            model_id: string;
        };
        /**
         * PredictionView
         * @description A model on a test set. Values and targets in raw units, one a row; of several targets, a list a row.
         *
         *     Of a classifier, values are probabilities: of the second class where there are two, else a list of every class's;
         *     `classes` are the likeliest and `targets` the true ones. `calibration.rows` (from 0) are the rows that the
         *     probabilities were fitted on; cost and metrics are those of all the others. `left_out`: rows of the test set, from
         *     0, that lack a value and are not among `values`. `remarks`: what people must know.
         * @example {
         *       "cost": 2900.19,
         *       "dataset_id": "5c1f0e8a7b6d4e3f9a2b1c0d8e7f6a5b",
         *       "id": "7e0d5b9c1a2f4d83b6c4e5f708192a3b",
         *       "metrics": {
         *         "mae": 42.79,
         *         "mse": 2900.19,
         *         "r2": 0.45
         *       },
         *       "model_id": "0f4b6d1c9e7a4c52b8d3a6e5f1029384",
         *       "targets": [
         *         151,
         *         75
         *       ],
         *       "values": [
         *         158.2,
         *         101.9
         *       ]
         *     }
         */
        PredictionView: {
            /** Calibrated Coefficients */
            calibrated_coefficients?: {
                [key: string]: number | {
                    [key: string]: number;
                };
            } | null;
            calibration?: components["schemas"]["Calibration"] | null;
            /** Class Names */
            class_names?: string[] | null;
            /** Classes */
            classes?: string[] | null;
            /**
             * Clipped
             * @default []
             */
            clipped: components["schemas"]["Clipped"][];
            /** Cost */
            cost: number;
            /** Cost Is */
            cost_is?: string | null;
            /** Dataset Id */
            dataset_id: string;
            decision?: components["schemas"]["Decision"] | null;
            /** Id */
            id: string;
            /**
             * Left Out
             * @default []
             */
            left_out: number[];
            /** Metrics */
            metrics: {
                [key: string]: unknown;
            };
            /** Model Id */
            model_id: string;
            /**
             * Remarks
             * @default []
             */
            remarks: components["schemas"]["Remark"][];
            /** Targets */
            targets: number[] | number[][] | string[];
            /** Values */
            values: number[] | number[][];
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
         * ReleaseRefusal
         * @description An owner whose people refused that others get the model, with their reason.
         */
        ReleaseRefusal: {
            /** Name */
            name: string;
            /** Why */
            why: string;
        };
        /**
         * Remark
         * @description One thing to know. `column`: the one that it is about, where it is about one.
         */
        Remark: {
            code: components["schemas"]["RemarkCode"];
            /** Column */
            column?: string | null;
            /** Text */
            text: string;
        };
        /**
         * RemarkCode
         * @description Codes for programs; `TEXTS` has what they say to a person.
         * @enum {string}
         */
        RemarkCode: "not-converged" | "surrogate-coefficients" | "column-hardly-varies" | "collinear" | "uncertain" | "directions-left" | "columns-not-judged" | "class-missing" | "separable" | "outside-range" | "rows-left-out" | "rare-class" | "noised" | "noised-steps" | "noise-dominates" | "noise-takes-rows";
        /**
         * Role
         * @enum {string}
         */
        Role: "facilitator" | "model-owner" | "data-owner";
        /**
         * Round
         * @description One turn of the Model Owner: the training loss in raw units and ‖gradient‖/‖b‖, at the weights that were asked.
         *
         *     With windows there is no loss, and `gradient` is what the window's updates tell of it. `test_loss` and
         *     `test_accuracy`: of a network's weights after the round on this party's test set, where the round was evaluated.
         */
        Round: {
            /** Accuracy */
            accuracy?: number | null;
            /**
             * At
             * Format: date-time
             */
            at: string;
            /** Gradient */
            gradient: number;
            /** Loss */
            loss: number | null;
            /** Round */
            round: number;
            /** Test Accuracy */
            test_accuracy?: number | null;
            /** Test Loss */
            test_loss?: number | null;
            /** Validation Accuracy */
            validation_accuracy?: number | null;
            /** Validation Loss */
            validation_loss?: number | null;
        };
        /**
         * Rows
         * @description Rows to score: objects by column name (or position, for columns given by it), or lists in feature order.
         * @example {
         *       "rows": [
         *         {
         *           "age": 0.03,
         *           "bmi": 0.06
         *         },
         *         [
         *           0.01,
         *           -0.02
         *         ]
         *       ]
         *     }
         */
        Rows: {
            /** Model Id */
            model_id?: string | null;
            /** Rows */
            rows: unknown[];
        };
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
         *     They are calibrated on the current test set, where it has enough rows of every class.
         * @example {
         *       "model_id": "0f4b6d1c9e7a4c52b8d3a6e5f1029384",
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
            /**
             * Clipped
             * @default []
             */
            clipped: components["schemas"]["Clipped"][];
            /** Model Id */
            model_id: string;
            /**
             * Remarks
             * @default []
             */
            remarks: components["schemas"]["Remark"][];
            /** Values */
            values: number[] | number[][];
        };
        /**
         * ScoringView
         * @description State of scoring a model. Bits are those that scores tell of it, over all owners together.
         *
         *     `entropy_bits`: what the model can tell at the precision of its scores; that many bits would be the model.
         * @example {
         *       "allowed": true,
         *       "bits_per_row": 32,
         *       "data_owners": [
         *         "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a"
         *       ],
         *       "entropy_bits": 341,
         *       "model_id": "0f4b6d1c9e7a4c52b8d3a6e5f1029384",
         *       "quota_bits": 340,
         *       "scores_left": 7,
         *       "spent_bits": 96
         *     }
         */
        ScoringView: {
            /** Allowed */
            allowed: boolean;
            /** Bits Per Row */
            bits_per_row: number;
            /** Data Owners */
            data_owners: string[];
            /** Entropy Bits */
            entropy_bits: number;
            /** Model Id */
            model_id: string;
            /** Quota Bits */
            quota_bits: number;
            /** Scores Left */
            scores_left: number;
            /** Spent Bits */
            spent_bits: number;
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
         * Suspect
         * @description An owner of a job whose sums could not be used: `ended_so` of its `jobs` here ended like that.
         *
         *     Single answers are never opened, so that the count alone tells one owner from another.
         */
        Suspect: {
            /** Ended So */
            ended_so: number;
            /** Jobs */
            jobs: number;
            /** Name */
            name: string;
            /** Party */
            party: string;
        };
        /**
         * TargetErrors
         * @description A target's values beside the true ones, by rising value; `residuals` are true minus predicted, in its units.
         *
         *     Of many rows an even choice is shown; `mean`, `deviation` and the histogram (`edges`, `counts`) are of all.
         */
        TargetErrors: {
            /** Counts */
            counts: number[];
            /** Deviation */
            deviation: number;
            /** Edges */
            edges: number[];
            /** Mean */
            mean: number;
            /** Name */
            name: string;
            /** Residuals */
            residuals: number[];
            /** Targets */
            targets: number[];
            /** Values */
            values: number[];
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
        /**
         * Words
         * @description A question, or an answer to one: all parties to the request read it. Plain text, which lines may break in.
         */
        Words: {
            /** Text */
            text: string;
        };
        /**
         * WrongExample
         * @description A picture of class `true` that is read as `said`, with that probability.
         *
         *     `row`: its place among the prediction's values, from 0. `pixels`: bytes in base64, channel by channel and line by
         *     line, 0 for the low end of the declared range and 255 for the high one.
         */
        WrongExample: {
            /** Pixels */
            pixels: string;
            /** Probability */
            probability: number;
            /** Row */
            row: number;
            /** Said */
            said: string;
            /** True */
            true: string;
        };
        /**
         * WronglyRead
         * @description Pictures that are read wrongly, of `wrong` in all; rows that a calibration was fitted on are left out.
         *
         *     `shape`: channels, height and width; null, and no examples, where the model has no classes or its features are no
         *     picture.
         * @example {
         *       "dataset_id": "5c1f0e8a7b6d4e3f9a2b1c0d8e7f6a5b",
         *       "examples": [
         *         {
         *           "pixels": "AAAAPP8=",
         *           "probability": 0.97,
         *           "row": 4,
         *           "said": "9",
         *           "true": "3"
         *         }
         *       ],
         *       "model_id": "0f2d7c1a9b3e4d5f8a6b7c8d9e0f1a2b",
         *       "shape": [
         *         1,
         *         8,
         *         8
         *       ],
         *       "wrong": 31
         *     }
         */
        WronglyRead: {
            /** Dataset Id */
            dataset_id: string;
            /**
             * Examples
             * @default []
             */
            examples: components["schemas"]["WrongExample"][];
            /** Model Id */
            model_id: string;
            /** Shape */
            shape?: [
                number,
                number,
                number
            ] | null;
            /**
             * Wrong
             * @default 0
             */
            wrong: number;
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
