import { t } from './texts';

/** The screens of each role, in the order of its navigation; the first one is where it begins. */
export const screens = {
  'data-owner': [{ path: '/about', name: t.about.title }],
  facilitator: [{ path: '/about', name: t.about.title }],
  'model-owner': [{ path: '/about', name: t.about.title }],
} as const;
