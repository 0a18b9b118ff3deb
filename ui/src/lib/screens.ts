import { t } from './texts';

const health = { path: '/health', name: t.health.title, needs: 'check_health' } as const;
const people = { path: '/people', name: t.people.title, needs: 'manage_people' } as const;

/**
 * The screens of each role, in the order of its navigation; the first one is where it begins. `needs`: the permission
 * without which there is nothing to see.
 */
export const screens = {
  'data-owner': [
    { path: '/data-owner/inbox', name: t.inbox.title },
    { path: '/data-owner/datasets', name: t.datasets.title },
    { path: '/data-owner/jobs', name: t.jobs.title },
    { path: '/data-owner/budget', name: t.budget.title },
    { path: '/data-owner/releases', name: t.releases.title },
    health,
    people,
    { path: '/about', name: t.about.title },
  ],
  facilitator: [
    { path: '/facilitator/federation', name: t.federation.title },
    { path: '/facilitator/datasets', name: t.catalogue.title },
    { path: '/facilitator/jobs', name: t.jobs.title },
    health,
    people,
    { path: '/about', name: t.about.title },
  ],
  'model-owner': [
    { path: '/model-owner/jobs', name: t.jobs.title },
    { path: '/model-owner/data', name: t.data.title },
    { path: '/model-owner/requests', name: t.requests.title },
    { path: '/model-owner/new', name: t.deploy.title },
    { path: '/model-owner/compare', name: t.compare.title },
    health,
    people,
    { path: '/about', name: t.about.title },
  ],
} as const;
