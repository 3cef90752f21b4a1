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
