/** All words that the pages say by themselves. What services say (problems, remarks, reasons) comes from them. */
export const t = {
  product: 'federated-trainer',
  roles: { 'data-owner': 'Data Owner', facilitator: 'Facilitator', 'model-owner': 'Model Owner' },
  common: {
    loading: 'Loading…',
    again: 'Try again',
    skip: 'To the page',
    screens: 'Screens',
  },
  problem: {
    fixes: 'Each of these changes would be enough:',
    page: 'What this means',
    signIn: 'Open a session by a link: the command `fedtrain open` with this service’s address prints one.',
    unreached: 'The service does not answer.',
    unreachedRemedy: 'It may be starting again. What this page shows is what it last said.',
  },
  about: {
    title: 'This service',
    role: 'Role',
    name: 'Name',
    party: 'Party id',
    version: 'Version',
    protocol: 'Protocol',
    health: 'Can it do its work?',
    more: 'More',
    docs: 'All routes, with examples',
    problems: 'Everything that can go wrong, and what to do',
  },
  session: {
    title: 'Open a session',
    opening: 'Opening a session',
    withToken:
      'This service asks for a token. Show yours once: your browser then has a session for eight hours, and the token is kept nowhere.',
    withLink:
      'Everybody on this machine may look here; who runs the service decides. The service printed a link when it started, and the command `fedtrain open` prints another. Its token for decisions opens a session, too.',
    token: 'Token',
    open: 'Open a session',
    lookingOnly: 'Looking only: open a session to decide',
    leave: 'End the session',
  },
  status: {
    INITIATED: 'starting',
    IN_PROGRESS: 'in progress',
    FINISHED: 'finished',
    FAILED: 'failed',
    CANCELLED: 'cancelled',
  },
};
