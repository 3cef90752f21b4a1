import { createInterface } from 'node:readline'
import { AppError, isAppError, throwIfAborted } from '../../util/errors.ts'
import type { Outcome, Session } from './session.ts'

/**
 * Shows `question` on stderr and resolves to the next line of stdin, without its line break. Also works if stdin is not
 * a terminal. Errors: `usage` when stdin ends first; `interrupted`.
 */
export async function ask(question: string, signal: AbortSignal): Promise<string> {
  throwIfAborted(signal)
  process.stderr.write(question)
  // no line editing: it would need a terminal with a size
  const lines = createInterface({ input: process.stdin, terminal: false, signal })
  const line = await new Promise<string | undefined>(resolve => {
    lines.once('line', resolve)
    lines.once('close', () => resolve(undefined))
  })
  lines.close()
  if (line === undefined) process.stderr.write('\n')
  throwIfAborted(signal)
  if (line === undefined)
    throw new AppError('usage', 'The input ended before an answer was given.', { hint: 'Run it in a terminal, or pipe the answer in.' })
  return line
}

/** Asks, and meanwhile waits for something else. Whichever comes first ends the other. Errors: those of both. */
export async function askWhile<T>(
  question: string,
  signal: AbortSignal,
  wait: (signal: AbortSignal) => Promise<T>,
): Promise<{ line: string } | { came: T }> {
  const stop = new AbortController()
  const either = AbortSignal.any([signal, stop.signal])
  const asked = ask(question, either).then(line => ({ line }))
  const waited = wait(either).then(came => ({ came }))
  try {
    return await Promise.race([asked, waited])
  } finally {
    stop.abort()
    await Promise.allSettled([asked, waited])
  }
}

/** Somebody was asked, and did not say yes. */
class Declined extends Error {
  override readonly name = 'Declined'
}

/** Whether somebody sits there who can be asked. Scripts are never asked: for them everything is as with --yes. */
export function canAsk({ options }: Pick<Session, 'options'>, yes: boolean): boolean {
  return !yes && options.json !== true && process.stdin.isTTY === true && process.stderr.isTTY === true
}

/** Asks a question whose answer is no by default. Only within `unlessDeclined`, and only if `canAsk`. */
export async function confirm({ console, signal }: Session, question: string): Promise<void> {
  console.pause()
  const answer = await ask(`${question} [y/N] `, signal).catch((error: unknown) => {
    // the end of the input is no yes
    if (!isAppError(error, 'usage')) throw error
    return ''
  })
  if (!/^\s*y(es)?\s*$/i.test(answer)) throw new Declined('the answer was no')
}

/** Runs a command that asks before it deletes. If the answer is no, says that nothing was done. */
export async function unlessDeclined({ console }: Session, run: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof Declined)) throw error
    console.reporter.note('nothing was deleted')
    return 'failed'
  }
}
