import { noCredentials } from '../../auth/choose.ts'
import { toAuthorizedUser } from '../../auth/credentials.ts'
import { readLogin } from '../../auth/token-file.ts'
import { AppError } from '../../util/errors.ts'
import { loginFile } from '../shared/login-file.ts'
import { ask } from '../shared/prompt.ts'
import type { Outcome, Session } from '../shared/session.ts'

export interface ExportOptions {
  yes?: boolean
}

const QUESTION =
  'This prints a secret: anyone who has it can use your Drive until you run `colab-escape auth logout`.\nType yes to print it: '

/** Prints the saved login as credentials for another machine. No other code prints a secret. */
export async function authExportCommand(session: Session, { yes = false }: ExportOptions): Promise<Outcome> {
  const login = await readLogin(loginFile(session))
  if (login === undefined) throw noCredentials()
  if (!yes) {
    if (process.stdin.isTTY !== true)
      throw new AppError('usage', 'auth export asks before it prints a secret, but stdin is not a terminal.', { hint: 'Add --yes.' })
    if ((await ask(QUESTION, session.signal)).trim().toLowerCase() !== 'yes')
      throw new AppError('usage', 'Nothing was printed.', { hint: 'Run it again and type yes, or add --yes.' })
  }
  const credentials = toAuthorizedUser(login)
  session.console.print([JSON.stringify(credentials)], { command: 'auth export', credentials })
  session.console.reporter.note(
    'On another machine, set COLAB_ESCAPE_CREDENTIALS to this line: as a CI secret, as a Colab secret, or in a file for --settings-file that is never committed.',
  )
  return 'done'
}
