import { COLAB_CELL } from '../../auth/colab.ts'
import type { Outcome, Session } from '../shared/session.ts'
import type { SetupOptions } from './guided-setup.ts'
import { STEPS } from './setup-steps.ts'

/** Makes an OAuth client together with the user and logs in with it. Only explains how where nobody can answer. */
export async function authSetupCommand(session: Session, options: SetupOptions): Promise<Outcome> {
  const { json, quiet } = session.options
  const isScreen = [process.stdin, process.stdout, process.stderr].every(({ isTTY }) => isTTY)
  if (isScreen && json !== true && quiet !== true) return (await import('./guided-setup.ts')).guidedSetup(session, options)
  const steps = STEPS.flatMap(({ title, page, details }, index) => [
    `${index + 1}. ${title}`,
    ...(page === undefined ? [] : [`   ${page}`]),
    ...details.map(line => `   ${line}`),
  ])
  const text = [
    'In a Colab notebook you need none of this. Run this in a cell instead:',
    `   ${COLAB_CELL}`,
    'Elsewhere, Google Drive requires your own OAuth client. It is free and takes',
    'five minutes, once. In a terminal, this command leads you through it:',
    '',
    ...steps,
  ]
  session.console.print(text, { command: 'auth setup', steps: STEPS })
  return 'done'
}
