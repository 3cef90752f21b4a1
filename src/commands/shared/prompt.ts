import { createInterface } from 'node:readline'
import { AppError, throwIfAborted } from '../../util/errors.ts'

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
