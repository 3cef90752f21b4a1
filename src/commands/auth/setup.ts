import { DRIVE_API_PAGE } from '../../auth/account.ts'
import { COLAB_CELL } from '../../auth/colab.ts'
import type { Outcome, Session } from '../shared/session.ts'

const STEPS: readonly { title: string; page?: string; details: readonly string[] }[] = [
  { title: 'Make a project (any name), or choose one of yours.', page: 'https://console.cloud.google.com/projectcreate', details: [] },
  { title: 'Enable the Drive API in it.', page: DRIVE_API_PAGE, details: [] },
  {
    title: 'Fill in the consent screen: a name, your e-mail, audience "External".',
    page: 'https://console.cloud.google.com/auth/overview',
    details: [],
  },
  {
    title: 'Publish it ("Publish app", status "In production").',
    page: 'https://console.cloud.google.com/auth/audience',
    details: [
      'In "Testing", every login ends after 7 days. You need no verification for your',
      'own use: when Google says at the login that it "hasn\'t verified this app",',
      'choose Advanced, then "Go to ...".',
    ],
  },
  {
    title: 'Create a client of type "Desktop app" and download its JSON file.',
    page: 'https://console.cloud.google.com/auth/clients',
    details: ['Download it right away: the secret is shown only once.'],
  },
  {
    title: 'Log in with it:',
    details: [
      'colab-escape auth login --client-secret-file client_secret_....json',
      'or put GOOGLE_CLIENT_ID=... and GOOGLE_CLIENT_SECRET=... into a file of',
      'your own and run `colab-escape auth login --settings-file <file>`.',
      'The client is saved with the login. Keep the file out of git.',
    ],
  },
]

/** Explains how to make an OAuth client. */
export async function authSetupCommand(session: Session): Promise<Outcome> {
  const steps = STEPS.flatMap(({ title, page, details }, index) => [
    `${index + 1}. ${title}`,
    ...(page === undefined ? [] : [`   ${page}`]),
    ...details.map(line => `   ${line}`),
  ])
  const text = [
    'In a Colab notebook you need none of this. Run this in a cell instead:',
    `   ${COLAB_CELL}`,
    'Elsewhere, Google Drive requires your own OAuth client. It is free and takes',
    'five minutes, once:',
    '',
    ...steps,
  ]
  session.console.print(text, { command: 'auth setup', steps: STEPS })
  return 'done'
}
