/*
 * The command completion: scripts for bash, zsh and fish, made from the program's own definitions. They never ask a
 * store.
 */

import { join } from 'node:path'
import type { Command } from 'commander'
import { namesIn } from '../../local/list-folder.ts'
import { readAt } from '../../local/read-at.ts'
import { AppError } from '../../util/errors.ts'
import { openOwnFile } from '../../util/small-file.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { readStoresFile } from '../shared/stores-file.ts'
import { bashScript } from './bash.ts'
import { fishScript } from './fish.ts'
import { modelOf, SHELLS, type CommandModel } from './model.ts'
import { zshScript } from './zsh.ts'

const SCRIPTS: Record<(typeof SHELLS)[number], (root: CommandModel) => string[]> = { bash: bashScript, zsh: zshScript, fish: fishScript }

/** Prints the completion script of a shell. For such a script, prints the names that this machine knows. */
export async function completionCommand(
  session: Session,
  shell: string | undefined,
  options: { names?: boolean; stores?: boolean },
  command: Command,
): Promise<Outcome> {
  if (options.names === true) {
    const names = await knownNames(join(session.settings.cacheFolder, 'versions'))
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
  if (known === undefined) throw new AppError('usage', 'No shell is given.', { hint: `Give one of: ${SHELLS.join(', ')}.` })
  const script = SCRIPTS[known](modelOf(command.parent!))
  session.console.print(script, { command: 'completion', shell: known, script: `${script.join('\n')}\n` })
  return 'done'
}

/** The first line of a noted version has the name. It is never longer than this. */
const HEAD_BYTES = 4096

/**
 * Names whose newest version this machine has noted, of all stores. Only the head of each note is read, because a shell
 * waits for the answer.
 */
async function knownNames(folder: string): Promise<string[]> {
  const files = await namesIn(folder).catch(() => [])
  const names = await Promise.all(files.filter(file => file.endsWith('.jsonl')).map(file => nameIn(join(folder, file))))
  return [...new Set(names.filter(name => name !== undefined))].sort()
}

async function nameIn(path: string): Promise<string | undefined> {
  const file = await openOwnFile(path).catch(() => undefined)
  try {
    if (file === undefined) return undefined
    const head = JSON.parse((await readAt(file, 0, HEAD_BYTES)).toString().split('\n', 1)[0]!) as { name?: unknown }
    return typeof head.name === 'string' ? head.name : undefined
  } catch {
    return undefined // damaged, or being replaced right now
  } finally {
    await file?.close()
  }
}
