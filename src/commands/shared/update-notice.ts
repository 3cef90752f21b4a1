import { replaceFile } from '../../local/replace-file.ts'
import type { Reporter } from '../../util/reporter.ts'
import { readSmallFile } from '../../util/small-file.ts'

/** Time (ms) between two questions, and between two notices. */
const ONCE_MS = 24 * 60 * 60 * 1000
const ANSWER_WITHIN_MS = 3_000
const MAX_NOTE_BYTES = 1000

/** What this machine knows of newer versions; times are ms since 1970. */
interface Note {
  asked: number
  told: number
  newest: string | undefined
}

export interface UpdateSource {
  registry: string
  name: string
  howToUpdate: string
}

export interface UpdateServices {
  /** The file in which the answer is noted for the next command. */
  file: string
  /** The version of this program. */
  version: string
  now: () => number
  fetch: typeof fetch
  reporter: Pick<Reporter, 'note'>
  /** Aborted when the command ends: nobody waits for the answer. */
  signal: AbortSignal
}

/** Whether a person reads what a command says, and has not asked for silence. */
export function wantsUpdateNotice(options: { json?: boolean; quiet?: boolean }, env: NodeJS.Dict<string>, isTerminal: boolean): boolean {
  const isSet = (name: string): boolean => (env[name] ?? '') !== ''
  const isSilenced = ['CI', 'NO_UPDATE_NOTIFIER', 'COLAB_ESCAPE_NO_UPDATE_NOTICE'].some(isSet)
  return isTerminal && options.json !== true && options.quiet !== true && !isSilenced
}

/**
 * Tells of a newer version that an earlier command has noted, and asks for the newest one in the background, both at
 * most once a day. The promise ends with the question; it never fails.
 */
export async function tellOfUpdate(source: UpdateSource, services: UpdateServices): Promise<void> {
  const { file, version, now, reporter } = services
  const note = readNote(file)
  const time = now()
  if (note.newest !== undefined && isNewer(note.newest, version) && isDue(note.told, time)) {
    note.told = time
    reporter.note(`colab-escape ${note.newest} is out, this is ${version}. ${source.howToUpdate}`)
    await write(file, note)
  }
  if (!isDue(note.asked, time)) return
  // noted before the answer: a registry that does not answer is not asked by every command
  note.asked = time
  await write(file, note)
  const newest = await askNewest(source, services).catch(() => undefined)
  if (newest !== undefined) await write(file, { ...note, newest })
}

/** A clock that was set back makes it due, too. */
const isDue = (last: number, now: number): boolean => now - last >= ONCE_MS || now < last

async function askNewest({ registry, name }: UpdateSource, { fetch, signal }: UpdateServices): Promise<string | undefined> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)])
  const answer = await fetch(`${registry.replace(/\/$/, '')}/-/package/${name}/dist-tags`, { signal: limit, redirect: 'error' })
  return answer.ok ? versionIn(((await answer.json()) as { latest?: unknown } | null)?.latest) : undefined
}

const versionIn = (value: unknown): string | undefined =>
  typeof value === 'string' && /^\d{1,6}\.\d{1,6}\.\d{1,6}$/.test(value) ? value : undefined

function isNewer(version: string, than: string): boolean {
  const [a, b] = [version, than].map(each => each.split('.').map(part => Number.parseInt(part, 10)))
  const at = a!.findIndex((part, i) => part !== b![i])
  return at >= 0 && a![at]! > b![at]!
}

function readNote(file: string): Note {
  try {
    const { asked, told, newest } = JSON.parse(
      readSmallFile(file, { maxBytes: MAX_NOTE_BYTES, mustBeOwn: true }).toString(),
    ) as Partial<Note>
    return { asked: Number(asked) || 0, told: Number(told) || 0, newest: versionIn(newest) }
  } catch {
    return { asked: 0, told: 0, newest: undefined }
  }
}

async function write(file: string, note: Note): Promise<void> {
  // without a note, the next command asks again
  await replaceFile(file, [`${JSON.stringify(note)}\n`]).catch(() => undefined)
}
