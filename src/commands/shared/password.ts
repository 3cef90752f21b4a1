import { StringDecoder } from 'node:string_decoder'
import { AppError, throwIfAborted } from '../../util/errors.ts'
import { ask, canAsk } from './prompt.ts'
import { readSecretFile } from './secret-file.ts'
import type { Session } from './session.ts'

const LARGEST_PASSWORD = 4096
/** Below so many characters a password is refused: all shorter ones can be tried. */
const SHORTEST_PASSWORD = 8

/** A password, and where it came from: for messages. */
export interface GivenPassword {
  text: string
  origin: string
}

/** The password that was given with --password-file or COLAB_ESCAPE_PASSWORD. Errors: `unauthenticated`. */
export async function givenPassword(session: Pick<Session, 'options' | 'settings' | 'signal'>): Promise<GivenPassword | undefined> {
  const { passwordFile } = session.options
  if (passwordFile === '-') return { text: await firstLineOfStdin(session.signal), origin: 'standard input' }
  if (passwordFile !== undefined) return { text: passwordIn(passwordFile), origin: passwordFile }
  const { password } = session.settings
  return password === undefined ? undefined : { text: password, origin: 'COLAB_ESCAPE_PASSWORD' }
}

/** The first line of a file with a password. Errors: `unauthenticated`. */
export function passwordIn(path: string): string {
  return nonEmpty(readSecretFile(path, 'password', { maxBytes: LARGEST_PASSWORD, pipe: '--password-file -' }), path)
}

async function firstLineOfStdin(signal: AbortSignal): Promise<string> {
  return nonEmpty(await ask('', signal), 'standard input')
}

function nonEmpty(text: string, where: string): string {
  const line = text.split(/\r?\n/, 1)[0]!
  if (line === '')
    throw new AppError('unauthenticated', `There is no password in ${where}.`, { hint: 'Its first line must be the password.' })
  return line
}

/** Whether a person can be asked for a password. */
export const canAskPassword = (): boolean => canAsk({ options: {} }, false)

/** Asks on the terminal, without showing what is typed. Errors: `interrupted`, `usage` if the input ends. */
export async function askPassword(session: Pick<Session, 'console' | 'signal'>, question: string): Promise<string> {
  const { console, signal } = session
  throwIfAborted(signal)
  console.pause()
  const { stdin } = process
  // first: what is typed as soon as the question is there must not be shown
  stdin.setRawMode(true)
  process.stderr.write(question)
  try {
    const typed = await readHidden(signal)
    throwIfAborted(signal)
    if (typed !== undefined) return typed
    throw new AppError('usage', 'The input ended before a password was typed.', { hint: 'Run the command again, and type it.' })
  } finally {
    stdin.setRawMode(false)
    stdin.pause()
    process.stderr.write('\n')
  }
}

/** Reads keys until Enter; undefined if the input ends. Backspace takes the last character away, Ctrl-U all of them. */
async function readHidden(signal: AbortSignal): Promise<string | undefined> {
  const { stdin } = process
  const decoder = new StringDecoder('utf8')
  let typed: string[] = []
  return new Promise(resolve => {
    const end = (finish: () => void): void => {
      stdin.off('data', take)
      stdin.off('end', stop)
      signal.removeEventListener('abort', stop)
      finish()
    }
    const stop = (): void => end(() => resolve(undefined))
    const take = (bytes: Buffer): void => {
      for (const character of decoder.write(bytes)) {
        if (character === '\r' || character === '\n') return end(() => resolve(typed.join('')))
        // the signal ends it: what comes behind it is no answer
        if (character === '\u0003') return void process.kill(process.pid, 'SIGINT')
        if (character === '\u0004') return stop()
        else if (character === '\u0015') typed = []
        else if (character === '\u007f' || character === '\b') typed.pop()
        else if (character >= ' ' && typed.length < LARGEST_PASSWORD) typed.push(character)
      }
    }
    signal.addEventListener('abort', stop, { once: true })
    stdin.on('data', take)
    stdin.once('end', stop)
    stdin.resume()
  })
}

/** Asks for a new password twice. Errors: `usage` if it is too short, or the two differ. */
export async function askNewPassword(session: Pick<Session, 'console' | 'signal'>, question: string): Promise<string> {
  const first = checkNewPassword(await askPassword(session, question))
  if ((await askPassword(session, 'The same again: ')) === first) return first
  throw new AppError('usage', 'The two passwords differ, so nothing was changed.', { hint: 'Run the command again.' })
}

/** Throws `usage` for a password that is too easy to guess. */
export function checkNewPassword(password: string): string {
  if (Array.from(password).length >= SHORTEST_PASSWORD) return password
  throw new AppError('usage', `The password has fewer than ${SHORTEST_PASSWORD} characters, so nothing was changed.`, {
    hint: 'Who has a copy of the store can try short passwords. Five random words make a good one.',
  })
}
