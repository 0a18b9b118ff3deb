import { t } from './texts';

/** The screens of each role, in the order of its navigation; the first one is where it begins. */
export const screens = {
  'data-owner': [
    { path: '/data-owner/inbox', name: t.inbox.title },
    { path: '/data-owner/datasets', name: t.datasets.title },
    { path: '/data-owner/jobs', name: t.jobs.title },
    { path: '/data-owner/budget', name: t.budget.title },
    { path: '/data-owner/releases', name: t.releases.title },
    { path: '/about', name: t.about.title },
  ],
  facilitator: [
    { path: '/facilitator/federation', name: t.federation.title },
    { path: '/facilitator/jobs', name: t.jobs.title },
    { path: '/about', name: t.about.title },
  ],
  'model-owner': [
    { path: '/model-owner/jobs', name: t.jobs.title },
    { path: '/model-owner/data', name: t.data.title },
    { path: '/model-owner/new', name: t.deploy.title },
    { path: '/model-owner/compare', name: t.compare.title },
    { path: '/about', name: t.about.title },
  ],
} as const;
