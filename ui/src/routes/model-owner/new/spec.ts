/** What the form shows of a model spec. The document may say more, which is kept as it is. */
export interface Column {
  name?: string;
  col_idx?: number;
  type?: string;
  range?: [number, number];
  categories?: (string | number)[];
  [more: string]: unknown;
}
export interface Spec {
  model_type?: string;
  name?: string;
  purpose?: string;
  dataset?: string;
  data_props?: { header?: boolean; features?: Column[]; target?: Column; [more: string]: unknown };
  training?: Record<string, unknown>;
  [more: string]: unknown;
}

/** What a plan says that all methods' plans have, or most. */
export interface Plan {
  bits_available: number;
  steps?: { step: number; bits_used: number }[];
  rounds?: { kind: string; bits_used: number }[];
  forecast: {
    owners: number;
    rounds: number;
    ciphertext_bytes: number;
    sums_decrypted: number;
    sums_in_all: number;
    bytes: Record<string, { sent: number; received: number }>;
    seconds: { job: number; a_round: number } | null;
  };
}

/** Where a new job begins. */
export const BEGIN: Spec = {
  model_type: 'LINEAR_REGRESSION',
  data_props: {
    header: true,
    features: [{ name: 'age', type: 'continuous', range: [18, 100] }],
    target: { name: 'stay_days', range: [0, 60] },
  },
  training: { optimizer: 'conjugate_gradient', min_data_owners: 3 },
};
export const MODELS = ['LINEAR_REGRESSION', 'LOGISTIC_REGRESSION'];
export const OPTIMIZERS = ['conjugate_gradient', 'gradient_descent', 'momentum', 'newton'];
export const TYPES = ['continuous', 'discrete', 'ordinal', 'nominal'];
