import { createInterface } from 'node:readline'
import { AppError, throwIfAborted } from '../../util/errors.ts'

/**
 * Shows `question` on stderr and resolves to the line that the person gives, without its end. Works where stdin is no terminal, too. Errors: `usage` when
 * stdin ends first; `interrupted`.
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
    throw new AppError('usage', 'No answer was given: the input ended.', { hint: 'Run it where you can type, or pipe the answer in.' })
  return line
}
