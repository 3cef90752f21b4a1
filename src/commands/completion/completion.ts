/*
 * The command completion: scripts for bash, zsh, fish and PowerShell, made from the program's own definitions.
 * They never ask Drive.
 */

import type { Command } from 'commander'
import { AppError } from '../../util/errors.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { readStoresFile } from '../shared/stores-file.ts'
import { bashScript } from './bash.ts'
import { fishScript } from './fish.ts'
import { knownNames } from './known-names.ts'
import { modelOf, SHELLS, type CommandModel } from './model.ts'
import { powershellScript } from './powershell.ts'
import { zshScript } from './zsh.ts'

const SCRIPTS: Record<(typeof SHELLS)[number], (root: CommandModel) => string[]> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
  powershell: powershellScript,
}

/** Prints the completion script of a shell. For such a script, prints the names that this machine knows. */
export async function completionCommand(
  session: Session,
  shell: string | undefined,
  options: { names?: string | boolean; stores?: boolean },
  command: Command,
): Promise<Outcome> {
  if (options.names !== undefined) {
    // nobody reads an error in the middle of a line that is being typed
    const names = await knownNames(session, typeof options.names === 'string' ? options.names : '').catch(() => [])
    session.console.print(names, { command: 'completion', names })
    return 'done'
  }
  if (options.stores === true) {
    const names = readStoresFile(session.settings.configFolder)
      .of('stores')
      .map(({ key }) => key)
    session.console.print(names, { command: 'completion', names })
    return 'done'
  }
  const known = SHELLS.find(each => each === shell)
  if (known === undefined)
    throw new AppError('usage', shell === undefined ? 'Which shell?' : `There is no completion for ${JSON.stringify(shell)}.`, {
      hint: `Give one of: ${SHELLS.slice(0, -1).join(', ')} or ${SHELLS.at(-1)}.`,
    })
  const script = SCRIPTS[known](modelOf(command.parent!))
  session.console.print(script, { command: 'completion', shell: known, script: `${script.join('\n')}\n` })
  return 'done'
}
