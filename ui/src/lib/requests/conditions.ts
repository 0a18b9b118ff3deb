import type { components } from '$lib/api/model-owner';

/** Terms of an approval, those that it has. */
export interface Conditions {
  until?: string;
  max_rounds?: number;
  max_epsilon?: number;
}

/** By which terms an owner has approved. */
export const conditionsOf = (owner: components['schemas']['AskedOwner']): Conditions => owner.conditions ?? {};
