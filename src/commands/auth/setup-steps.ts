import { DRIVE_API_PAGE } from '../../auth/account.ts'

export interface SetupStep {
  title: string
  /** The page of Google's console on which it is done. */
  page?: string
  /** What to do there. The words in quotes are those of Google's pages in 2026. */
  details: readonly string[]
}

export const AUDIENCE_PAGE = 'https://console.cloud.google.com/auth/audience'

/** How to make an OAuth client. The last step is the login. */
export const STEPS: readonly SetupStep[] = [
  {
    title: 'Make a project (any name), or choose one of yours.',
    page: 'https://console.cloud.google.com/projectcreate',
    details: [
      'Type a "Project name" and press "Create". Then choose it at the top of the',
      'page: its name must stand there in each of the next steps.',
    ],
  },
  {
    title: 'Enable the Drive API in it.',
    page: DRIVE_API_PAGE,
    details: ['Press "Enable". Where "Manage" stands instead, it is enabled.'],
  },
  {
    title: 'Fill in the consent screen: a name, your e-mail, audience "External".',
    page: 'https://console.cloud.google.com/auth/overview',
    details: [
      'Press "Get started". App name: colab-escape, or any other. Support e-mail',
      'and contact: your own. Audience: "External". Agree, and press "Create".',
    ],
  },
  {
    title: 'Publish it ("Publish app", status "In production").',
    page: AUDIENCE_PAGE,
    details: [
      'In "Testing", every login ends after 7 days. You need no verification for',
      'your own use: when Google says at the login that it "hasn\'t verified this',
      'app", choose "Advanced", then "Go to ...".',
    ],
  },
  {
    title: 'Create a client of type "Desktop app" and download its JSON file.',
    page: 'https://console.cloud.google.com/auth/clients',
    details: [
      'Press "Create client", choose "Desktop app" as the application type, and',
      'press "Create". Then press "Download JSON" right away: the secret is shown',
      'only once.',
    ],
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

/** What stands on Google's pages when they refuse a login, and what helps. No program hears of these pages. */
export const REFUSALS = [
  'What may stand on the page of Google, and what helps:',
  '  "Google hasn\'t verified this app": press "Advanced", then "Go to ...".',
  '  access_denied: the client is in "Testing". Publish it:',
  `    ${AUDIENCE_PAGE}`,
  '  redirect_uri_mismatch: the client is not of type "Desktop app". Make one.',
  '  org_internal: the audience is "Internal". Make it "External", or log in with',
  '    an account of that organisation.',
  '  admin_policy_enforced: your organisation lets only approved programs in. Log in',
  '    with another account, or ask its administrator to approve the client.',
  '  invalid_client, deleted_client: the client is gone. Make a new one.',
] as const
